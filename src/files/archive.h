// Folders as tar archives, written and read as they stream.
//
// Threading: one thread; both change the process's current directory. Errors name the path.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace berth::files {

// Writes what is in `folder`, with paths that begin there, to `fd`. Symbolic links stay links;
// sockets and devices are left out.
absl::Status PackFolder(const std::string& folder, int fd);

// Unpacks an archive from `fd` into `folder`, made if missing. Nothing is written outside it,
// whatever the archive says, nor through a link in it; owners are not taken over, nor are set-user
// bits, and devices are left out. Returns the bytes of the archive.
absl::StatusOr<int64_t> UnpackFolder(int fd, const std::string& folder);

}  // namespace berth::files
