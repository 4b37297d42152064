#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "images/layer.h"

namespace berth::images {

// What an image says of how to run it. Empty: nothing.
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::vector<std::string> environment;  // NAME=value
  std::string working_directory;
};

// An image of an OCI layout, its layers open.
struct LayoutImage {
  std::string digest;  // of its manifest: "sha256:..."
  ImageConfig config;
  std::vector<LayerBlob> layers;  // the lowest first
};

// Whether `directory` is an OCI layout.
bool IsLayout(const std::string& directory);

// Finds the image called `tag` (empty: the only one) in the layout, for this machine where there
// are several, and opens what it consists of: whoever may not read a blob of it cannot use it.
// Everything is verified by digest, but the layers, which are when they are read; of those the
// sizes are.
//
// Errors say what is wrong with the layout. Cost: a few small files.
absl::StatusOr<LayoutImage> ReadLayout(const std::string& directory, const std::string& tag);

}  // namespace berth::images
