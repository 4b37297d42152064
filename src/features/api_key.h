#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace berth::features {

// A server's key, from a file or from a variable of the environment; empty when neither is named.
// It is at most 8 KiB of printable characters without blanks; white space at its end is left out.
//
// Errors name the file or variable, never what is in it: there is none, or others than the file's
// owner and group may read or write it (PermissionDenied).
absl::StatusOr<std::string> ReadApiKey(const std::string& file, const std::string& variable);

}  // namespace berth::features
