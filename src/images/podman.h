#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace berth::images {

// The podman of a node, as far as it fetches images of registries: with root's credentials, into
// its own storage, from where they are copied and then removed.
//
// Threading: any thread; each call but IsThere() blocks, and is cut short when `stopped` says so.
// Errors are sentences about the image.
class Podman {
 public:
  // An image in podman's storage.
  struct Fetched {
    std::string id;
    bool was_there = false;  // somebody else has fetched it, and it is not ours to remove
  };

  // `program`: a path, or looked up in PATH. `most`: how long an image may take to come.
  Podman(std::string program, std::chrono::seconds most, std::function<bool()> stopped)
      : program_(std::move(program)), most_(most), stopped_(std::move(stopped)) {}

  [[nodiscard]] bool IsThere() const;

  // What the registry says of the reference now, in a short form: as long as that is the same, so
  // is the image. Empty: it cannot be told. REQUIRES: CheckReference(reference).ok().
  [[nodiscard]] std::string Digest(const std::string& reference) const;

  // REQUIRES: CheckReference(reference).ok().
  [[nodiscard]] absl::StatusOr<Fetched> Pull(const std::string& reference) const;

  // Writes the image as an OCI layout into `folder`, which it makes.
  [[nodiscard]] absl::Status Save(const Fetched& image, const std::string& folder) const;

  // From podman's storage, unless it was there before. What fails is in the log.
  void Remove(const Fetched& image) const;

 private:
  absl::StatusOr<std::string> Run(const std::vector<std::string>& arguments,
                                  std::chrono::seconds most) const;

  const std::string program_;
  const std::chrono::seconds most_;
  const std::function<bool()> stopped_;
};

}  // namespace berth::images
