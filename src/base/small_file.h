#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Whole files, small enough to hold in memory: configuration, identities, kernel interfaces.
//
// Errors name the path and the reason: NotFound, PermissionDenied, ResourceExhausted (no space),
// ... Threading: any thread; two writers of one path leave the whole contents of one of them.
namespace berth::base {

// The contents of the file at `path`, which may be one of the kernel's whose size is not known
// before. FailedPrecondition for a directory; OutOfRange when it holds more than `max_bytes`.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                          std::size_t max_bytes = 16u << 20);

// Replaces the file at `path`, or makes it, so that whoever opens it at any moment, a crash of the
// machine included, finds the old contents or the new, whole. The parent folder must exist. `mode`
// is that of the new file, umask aside. Cost: two fsyncs.
absl::Status WriteFileAtomically(const std::string& path, std::string_view contents,
                                 mode_t mode = 0644);

}  // namespace berth::base
