#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace berth::images {

// The program `name` (a path, or looked up in this process's PATH); empty: it is not there.
std::string FindProgram(const std::string& name);

// Runs a program to its end, and kills it, with what it started in its process group, when it takes
// longer than `most` or `stopped` says so (asked every 100 ms). Returns what it wrote, the last 64
// KiB, standard output and error as one; an error has its last line.
//
// Threading: any; blocks. Never forks.
absl::StatusOr<std::string> RunCommand(const std::vector<std::string>& arguments,
                                       std::chrono::seconds most,
                                       const std::function<bool()>& stopped);

}  // namespace berth::images
