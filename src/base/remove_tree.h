#pragma once

#include <string>

#include "absl/status/status.h"

namespace berth::base {

// Removes `path` and all that is in it, whoever made it: symbolic links are removed and not
// followed, what is mounted within it stays, and however deeply folders lie in one another, few
// descriptors and little of the stack are taken. Nothing there: OK. The error names the first thing
// that stays; the rest is removed nevertheless.
//
// Threading: any thread. Cost: some system calls for each entry; may take long.
absl::Status RemoveTree(const std::string& path);

}  // namespace berth::base
