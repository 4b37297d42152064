#include "agentd/journal/journal_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "agentd/journal/crc32c.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr uint32_t kMarker = 0x4a415242;  // "BRAJ"
constexpr size_t kLargest = size_t{1} << 30;
constexpr uint64_t kReserveBytes = 1 << 20;    // kept ahead of the end
constexpr uint64_t kReserveAgain = 512 << 10;  // when less than this is left

struct FrameHeader {
  uint32_t marker = kMarker;
  uint32_t length = 0;  // of what follows the header
  uint64_t group = 0;
  uint32_t crc = 0;  // of the length, the group and what follows
  uint32_t reserved = 0;
};
static_assert(sizeof(FrameHeader) == 24);

uint32_t FrameCrc(const FrameHeader& header, std::string_view payload) {
  const auto* fields = reinterpret_cast<const char*>(&header.length);
  const uint32_t crc = Crc32c({fields, sizeof(header.length) + sizeof(header.group)});
  return Crc32c(payload, crc);
}

// The payload of the frame at `at`, when one is whole there.
std::optional<std::string_view> FrameAt(std::string_view contents, size_t at, FrameHeader& header) {
  if (contents.size() - at < sizeof(header)) return std::nullopt;
  std::memcpy(&header, contents.data() + at, sizeof(header));
  if (header.marker != kMarker || header.reserved != 0) return std::nullopt;
  if (header.length > contents.size() - at - sizeof(header)) return std::nullopt;
  const std::string_view payload = contents.substr(at + sizeof(header), header.length);
  if (FrameCrc(header, payload) != header.crc) return std::nullopt;
  return payload;
}

// Whether a whole frame of a later group begins anywhere after `at`.
bool WholeFrameAfter(std::string_view contents, size_t at, uint64_t after_group) {
  const std::string_view marker(reinterpret_cast<const char*>(&kMarker), sizeof(kMarker));
  for (size_t next = contents.find(marker, at + 1); next != std::string_view::npos;
       next = contents.find(marker, next + 1)) {
    FrameHeader header;
    if (FrameAt(contents, next, header) && header.group > after_group) return true;
  }
  return false;
}

absl::Status Damaged(const std::string& path, size_t at, std::string_view why) {
  return absl::DataLossError(base::A(
      "journal " + path + " is damaged at byte " + std::to_string(at) + ": " + std::string(why) +
      ". What it says of this node's tasks cannot be trusted. To go on without it: mv " + path +
      " " + path +
      ".damaged, and start the agent again; it then joins as a new one, and berthd"
      " gives the tasks it had here a new attempt"));
}

std::string MakeFrame(const std::vector<std::string>& records, uint64_t group) {
  std::string frame(sizeof(FrameHeader), '\0');
  for (const std::string& record : records) {
    const auto length = static_cast<uint32_t>(record.size());
    frame.append(reinterpret_cast<const char*>(&length), sizeof(length));
    frame.append(record);
  }
  FrameHeader header;
  header.length = static_cast<uint32_t>(frame.size() - sizeof(header));
  header.group = group;
  header.crc = FrameCrc(header, std::string_view(frame).substr(sizeof(header)));
  std::memcpy(frame.data(), &header, sizeof(header));
  return frame;
}

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

absl::StatusOr<JournalFile> JournalFile::Open(const std::string& path, const Visit& visit) {
  JournalFile file;
  file.path_ = path;
  file.fd_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.fd_.valid()) {
    return absl::ErrnoToStatus(errno, base::A("cannot open the journal " + path));
  }
  BERTH_ASSIGN_OR_RETURN(const std::string contents, base::ReadSmallFile(path, kLargest));
  BERTH_RETURN_IF_ERROR(file.Load(contents, visit));
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

absl::Status JournalFile::Load(std::string_view contents, const Visit& visit) {
  size_t at = 0;
  while (at < contents.size()) {
    FrameHeader header;
    const std::optional<std::string_view> payload = FrameAt(contents, at, header);
    if (!payload.has_value()) {
      if (WholeFrameAfter(contents, at, next_group_ - 1)) {
        return Damaged(path_, at, "its checksum does not hold, and what follows is whole");
      }
      torn_bytes_ = contents.size() - at;
      break;
    }
    if (at > 0 && header.group != next_group_) {
      return Damaged(path_, at, "a group is missing before it");
    }
    std::string_view rest = *payload;
    while (!rest.empty()) {
      uint32_t length = 0;
      if (rest.size() >= sizeof(length)) std::memcpy(&length, rest.data(), sizeof(length));
      if (rest.size() < sizeof(length) || rest.size() - sizeof(length) < length) {
        return Damaged(path_, at, "a record is longer than its group");
      }
      const absl::Status visited = visit(rest.substr(sizeof(length), length));
      if (!visited.ok()) return Damaged(path_, at, base::V(visited.message()));
      rest.remove_prefix(sizeof(length) + length);
    }
    next_group_ = header.group + 1;
    at += sizeof(header) + payload->size();
  }
  bytes_ = at;
  return absl::OkStatus();
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
  if (fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(bytes_),
                static_cast<off_t>(kReserveBytes)) == 0) {
    reserved_to_ = bytes_ + kReserveBytes;
    space_low_ = false;
    return;
  }
  // A file system that cannot reserve is no reason to refuse work: only a full one is.
  space_low_ = errno == ENOSPC || errno == EDQUOT;
}

}  // namespace berth::agentd
