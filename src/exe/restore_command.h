// berthd restore-snapshot: what `berth admin snapshot restore` has berthd do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace berth {

struct RestoreArguments {
  std::string file;
  std::string data_dir;
  std::string cluster_name;  // of the configuration; empty: none
  std::optional<uint32_t> generation;
  // "": for people. "json", "yaml": one document on standard output, errors included.
  std::string format;
};

// Restores, and says on standard output what came of it, or on standard error what is wrong.
// Returns the exit code: 0, 1 (the answer is no), 3 (no such file), 4 (not allowed).
int RestoreCommand(const RestoreArguments& arguments);

// Says what is wrong, in the format, and returns the exit code.
int FailRestore(const absl::Status& status, const std::string& format);

}  // namespace berth
