#include "store/disk_room.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "base/logging.h"
#include "base/quantities.h"
#include "base/unique_fd.h"

namespace berth::store {
namespace {

std::string Words(uint64_t bytes) {
  return base::FormatBytes(static_cast<int64_t>(bytes), base::Rounding::kDown);
}

std::string Reason(int error) { return std::generic_category().message(error); }

}  // namespace

uint64_t FreeBytesOf(const std::string& path) {
  struct statvfs disk {};
  // Not to know is no reason to refuse: a write will tell.
  if (::statvfs(path.c_str(), &disk) != 0) return std::numeric_limits<int64_t>::max();
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

DiskRoom::DiskRoom(std::string directory, const DiskRoomOptions& options, FreeBytes free_bytes)
    : directory_(std::move(directory)),
      ballast_(directory_ + "/ballast"),
      options_(options),
      free_bytes_(std::move(free_bytes)) {
  struct stat found {};
  laid_ = ::stat(ballast_.c_str(), &found) == 0 &&
          static_cast<uint64_t>(found.st_size) == options_.ballast_bytes;
  Adjust();
}

void DiskRoom::Adjust() {
  if (options_.ballast_bytes == 0) return;
  const uint64_t left = free_bytes_(directory_);
  if (laid_ && left < options_.ballast_bytes) {
    GiveUp();
  } else if (!laid_ && !cannot_lay_ &&
             left >= options_.refuse_below_bytes + 2 * options_.ballast_bytes) {
    Lay();
  }
}

absl::Status DiskRoom::Check() const {
  const uint64_t left = free_bytes_(directory_);
  if (left >= options_.refuse_below_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      "data directory \"" + directory_ + "\": only " + Words(left) +
      " are left on its file system, and below " + Words(options_.refuse_below_bytes) +
      " no new work is taken; make room there. What was taken goes on");
}

absl::Status DiskRoom::CheckOpening(uint64_t bytes) const {
  const uint64_t left = free_bytes_(directory_);
  if (left >= bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError("data directory \"" + directory_ + "\": only " + Words(left) +
                                      " are left on its file system, and to open its database may "
                                      "take " +
                                      Words(bytes) + "; make room there, then start berthd again");
}

void DiskRoom::Lay() {
  const base::UniqueFd fd(
      ::open(ballast_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  int error = fd.valid() ? 0 : errno;
  // Blocks, not a hole: they are what is given up.
  if (error == 0)
    error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(options_.ballast_bytes));
  if (error == 0) {
    laid_ = true;
    return;
  }
  cannot_lay_ = true;
  ::unlink(ballast_.c_str());
  BERTH_LOG_WARN(
      "data directory \"{}\": cannot lay {} of ballast in: {}; a full disk will stop "
      "berthd sooner",
      directory_, Words(options_.ballast_bytes), Reason(error));
}

void DiskRoom::GiveUp() {
  if (::unlink(ballast_.c_str()) != 0 && errno != ENOENT) {
    BERTH_LOG_ERROR("data directory \"{}\": cannot give the ballast up: {}", directory_,
                    Reason(errno));
    return;
  }
  laid_ = false;
  BERTH_LOG_WARN(
      "data directory \"{}\": its file system is nearly full; {} of ballast were given "
      "up so that running work can end. Make room there",
      directory_, Words(options_.ballast_bytes));
}

}  // namespace berth::store
