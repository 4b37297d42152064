#include "snapshot/part_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/path_error.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::snapshot {
namespace {

absl::Status Exists(const std::string& path) {
  return absl::AlreadyExistsError(path + ": there is such a file already");
}

// Not every file system knows how to rename without replacing.
absl::Status RenameToNew(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  if (errno == EEXIST) return Exists(to);
  if (errno != EINVAL && errno != ENOSYS) return base::PathError(errno, "make", to);
  if (::access(to.c_str(), F_OK) == 0) return Exists(to);
  if (::rename(from.c_str(), to.c_str()) != 0) return base::PathError(errno, "make", to);
  return absl::OkStatus();
}

}  // namespace

absl::Status SyncDirectory(const std::string& path) {
  const base::UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return base::PathError(errno, "open", path);
  if (::fsync(directory.get()) != 0) return base::PathError(errno, "sync", path);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<PartFile>> PartFile::Create(const std::string& path) {
  const std::string part = path + ".part";
  while (true) {
    base::UniqueFd file(::open(part.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid()) return base::PathError(errno, "make", part);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return base::PathError(errno, "lock", part);
      return absl::FailedPreconditionError(part +
                                           ": another process is writing it; wait for that, or "
                                           "choose another name");
    }
    // Whoever had it may have renamed or removed it between our opening and our lock.
    struct stat ours {};
    struct stat there {};
    if (::fstat(file.get(), &ours) != 0) return base::PathError(errno, "look at", part);
    if (::lstat(part.c_str(), &there) != 0 || there.st_ino != ours.st_ino ||
        there.st_dev != ours.st_dev) {
      continue;
    }
    if (::ftruncate(file.get(), 0) != 0 || ::fchmod(file.get(), 0600) != 0) {
      return base::PathError(errno, "empty", part);
    }
    return std::unique_ptr<PartFile>(new PartFile(path, std::move(file)));
  }
}

PartFile::~PartFile() {
  // What cannot be removed is taken over by the next writer.
  if (!complete_) ::unlink(part().c_str());
}

absl::Status PartFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::PathError(errno, "write", part());
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status PartFile::Complete(bool replace) {
  if (::fsync(file_.get()) != 0) return base::PathError(errno, "sync", part());
  if (replace) {
    if (::rename(part().c_str(), path_.c_str()) != 0)
      return base::PathError(errno, "replace", path_);
  } else {
    BERTH_RETURN_IF_ERROR(RenameToNew(part(), path_));
  }
  complete_ = true;
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace berth::snapshot
