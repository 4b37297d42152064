#include "agentd/journal/journal_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "agentd/journal/journal_frames.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr size_t kLargest = size_t{1} << 30;
constexpr uint64_t kReserveBytes = 1 << 20;    // kept ahead of the end
constexpr uint64_t kReserveAgain = 512 << 10;  // when less than this is left

absl::Status WriteAll(int fd, std::string_view bytes, uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, base::A("cannot write to the journal " + path));
    }
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::StatusOr<base::UniqueFd> OpenDirectoryOf(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  base::UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, base::A("cannot open " + directory));
  return fd;
}

// Makes the names of the files in it durable.
absl::Status SyncDirectory(const base::UniqueFd& directory, const std::string& path) {
  if (fsync(directory.get()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, base::A("cannot sync the directory of " + path));
}

absl::Status NotReplaced(const absl::Status& why) { return absl::UnavailableError(why.message()); }

// A whole journal at `path`, on disk; its name may not be.
absl::StatusOr<base::UniqueFd> WriteFresh(const std::string& path, std::string_view frame) {
  base::UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, base::A("cannot open " + path));
  BERTH_RETURN_IF_ERROR(WriteAll(fd.get(), frame, 0, path));
  if (fsync(fd.get()) != 0) return absl::ErrnoToStatus(errno, base::A("cannot sync " + path));
  return fd;
}

}  // namespace

absl::StatusOr<JournalFile> JournalFile::Open(const std::string& path, const Visit& visit,
                                              ReserveSpace reserve) {
  JournalFile file;
  file.path_ = path;
  file.reserve_ = std::move(reserve);
  file.fd_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.fd_.valid()) {
    return absl::ErrnoToStatus(errno, base::A("cannot open the journal " + path));
  }
  BERTH_ASSIGN_OR_RETURN(const std::string contents, base::ReadSmallFile(path, kLargest));
  BERTH_ASSIGN_OR_RETURN(const LoadedFrames loaded, LoadFrames(contents, path, visit));
  file.bytes_ = loaded.bytes;
  file.next_group_ = loaded.next_group;
  file.torn_bytes_ = contents.size() - loaded.bytes;
  if (file.torn_bytes_ > 0 && (ftruncate(file.fd_.get(), static_cast<off_t>(file.bytes_)) != 0 ||
                               fdatasync(file.fd_.get()) != 0)) {
    return absl::ErrnoToStatus(errno, base::A("cannot cut off the torn end of " + path));
  }
  if (contents.empty()) {
    BERTH_ASSIGN_OR_RETURN(const base::UniqueFd directory, OpenDirectoryOf(path));
    BERTH_RETURN_IF_ERROR(SyncDirectory(directory, path));
  }
  file.Reserve();
  return file;
}

absl::Status JournalFile::Append(const std::vector<std::string>& records) {
  const std::string frame = MakeFrame(records, next_group_);
  BERTH_RETURN_IF_ERROR(WriteAll(fd_.get(), frame, bytes_, path_));
  if (fdatasync(fd_.get()) != 0) {
    return absl::ErrnoToStatus(errno, base::A("cannot sync the journal " + path_));
  }
  ++next_group_;
  bytes_ += frame.size();
  Reserve();
  return absl::OkStatus();
}

absl::Status JournalFile::Replace(const std::vector<std::string>& records) {
  const std::string frame = MakeFrame(records, next_group_);
  const std::string fresh_path = path_ + ".new";
  absl::StatusOr<base::UniqueFd> directory = OpenDirectoryOf(path_);
  if (!directory.ok()) return NotReplaced(directory.status());
  absl::StatusOr<base::UniqueFd> fresh = WriteFresh(fresh_path, frame);
  if (!fresh.ok() || rename(fresh_path.c_str(), path_.c_str()) != 0) {
    const absl::Status error =
        !fresh.ok()
            ? fresh.status()
            : absl::ErrnoToStatus(errno, base::A("cannot rename " + fresh_path + " to " + path_));
    unlink(fresh_path.c_str());  // it may be what fills the disk
    return NotReplaced(error);
  }
  // From here on the old file has no name: what is appended to it would be lost.
  fd_ = *std::move(fresh);
  bytes_ = frame.size();
  reserved_to_ = 0;
  ++next_group_;
  const absl::Status synced = SyncDirectory(*directory, path_);
  if (!synced.ok()) return absl::InternalError(synced.message());  // never Unavailable
  Reserve();
  return absl::OkStatus();
}

void JournalFile::Reserve() {
  if (reserved_to_ >= bytes_ + kReserveAgain) return;
  const int error = reserve_(fd_.get(), bytes_, kReserveBytes);
  if (error == 0) {
    reserved_to_ = bytes_ + kReserveBytes;
    space_low_ = false;
    return;
  }
  // A file system that cannot reserve is no reason to refuse work: only a full one is.
  space_low_ = error == ENOSPC || error == EDQUOT;
}

int JournalFile::ReserveOnDisk(int fd, uint64_t offset, uint64_t bytes) {
  return fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(bytes)) == 0
             ? 0
             : errno;
}

}  // namespace berth::agentd
