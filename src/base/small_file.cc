#include "base/small_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::base {
namespace {

absl::Status FileError(int error, std::string_view doing, const std::string& path) {
  return absl::ErrnoToStatus(error, A(std::string("cannot ").append(doing) + " " + path));
}

absl::Status WriteAll(int fd, std::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(fd, contents.data(), contents.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, "write", path);
    }
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

std::string ParentFolder(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A rename is durable once the folder that holds the name is.
absl::Status SyncFolder(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return FileError(errno, "open", folder);
  if (::fsync(fd.get()) != 0) return FileError(errno, "sync", folder);
  return absl::OkStatus();
}

absl::Status WriteAndSync(int fd, std::string_view contents, mode_t mode, const std::string& path) {
  BERTH_RETURN_IF_ERROR(WriteAll(fd, contents, path));
  if (::fchmod(fd, mode) != 0) return FileError(errno, "set the mode of", path);
  if (::fsync(fd) != 0) return FileError(errno, "sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return FileError(errno, "open", path);
  std::string contents;
  char buffer[16384];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, "read", path);
    }
    if (count == 0) return contents;
    if (contents.size() + static_cast<std::size_t>(count) > max_bytes) {
      return absl::OutOfRangeError("cannot read " + path + ": it is larger than " +
                                   std::to_string(max_bytes) + " bytes");
    }
    contents.append(buffer, static_cast<std::size_t>(count));
  }
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view contents, mode_t mode) {
  std::string temporary = path + ".new-XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return FileError(errno, "create a file beside", path);
  absl::Status status = WriteAndSync(fd.get(), contents, mode, path);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(errno, "replace", path);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(ParentFolder(path));
}

}  // namespace berth::base
