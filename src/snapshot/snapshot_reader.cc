#include "snapshot/snapshot_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/annotate.h"
#include "base/fixed_hash.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "berth/snapshot/v1/snapshot.pb.h"

namespace berth::snapshot {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

absl::Status FileError(int error, std::string_view doing) {
  return absl::ErrnoToStatus(error, base::A("cannot " + std::string(doing)));
}

}  // namespace

absl::Status SnapshotReader::Damaged(uint64_t place, std::string_view what) {
  return absl::DataLossError("damaged at byte " + std::to_string(place) + ": " + std::string(what));
}

absl::Status SnapshotReader::Feed(std::string_view bytes) {
  if (status_.ok()) status_ = Take(bytes);
  return status_;
}

absl::Status SnapshotReader::Take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (part_ == Part::kNothing) return Damaged(offset_, "there is more after its end");
    const size_t count = std::min(bytes.size(), wanted_ - buffer_.size());
    buffer_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    summary_.bytes += count;
    // An empty payload is whole at once.
    while (part_ != Part::kNothing && buffer_.size() == wanted_) {
      BERTH_RETURN_IF_ERROR(TakeUnit());
    }
  }
  return absl::OkStatus();
}

// What of the file stands in buffer_, whole. Sets what comes next.
absl::Status SnapshotReader::TakeUnit() {
  const uint64_t next_offset = offset_ + wanted_;
  if (part_ == Part::kPreamble) {
    BERTH_RETURN_IF_ERROR(TakePreamble());
    part_ = Part::kHead;
    wanted_ = kFrameHeadBytes;
  } else if (part_ == Part::kHead) {
    frame_offset_ = offset_;
    if (!DecodeHead(buffer_, offset_, head_) || head_.length > kMostPayloadBytes) {
      return Damaged(offset_, "no frame begins there");
    }
    part_ = Part::kPayload;
    wanted_ = head_.length;
  } else {
    BERTH_RETURN_IF_ERROR(TakeFrame());
    part_ = head_.kind == kTrailerFrame ? Part::kNothing : Part::kHead;
    wanted_ = kFrameHeadBytes;
  }
  offset_ = next_offset;
  buffer_.clear();
  if (buffer_.capacity() > 2 * kFrameBytes) buffer_.shrink_to_fit();
  return absl::OkStatus();
}

absl::Status SnapshotReader::TakePreamble() {
  if (std::string_view(buffer_).substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("it is no snapshot of berthd: it does not begin as one");
  }
  const uint64_t version = GetNumber(std::string_view(buffer_).substr(kMagic.size()), 4);
  if (version != kFormatVersion) {
    return absl::FailedPreconditionError(
        "it has format version " + std::to_string(version) + ", and this program reads version " +
        std::to_string(kFormatVersion) + ": use the one that wrote it, unless it is damaged");
  }
  return absl::OkStatus();
}

absl::Status SnapshotReader::TakeFrame() {
  const uint64_t sum = PayloadSum(head_.kind, buffer_, frame_offset_);
  if (sum != head_.payload_sum) {
    return Damaged(frame_offset_, "the frame that begins there, of " +
                                      std::to_string(head_.length) +
                                      " bytes, has another checksum than it says");
  }
  if (!has_header_ && head_.kind != kHeaderFrame) {
    return Damaged(frame_offset_, "the header should be there");
  }
  switch (head_.kind) {
    case kHeaderFrame:
      BERTH_RETURN_IF_ERROR(TakeHeader());
      break;
    case kRecordsFrame:
      BERTH_RETURN_IF_ERROR(TakeRecords());
      break;
    case kTrailerFrame:
      return TakeTrailer();
    default:
      return Damaged(frame_offset_, "a frame of an unknown kind");
  }
  sum_ = base::FixedHashCombine(sum_, sum);
  return absl::OkStatus();
}

absl::Status SnapshotReader::TakeHeader() {
  v1::SnapshotHeader header;
  if (has_header_) return Damaged(frame_offset_, "there is a second header");
  if (!header.ParseFromString(buffer_) || header.cluster_id().empty()) {
    return Damaged(frame_offset_, "the header cannot be read");
  }
  has_header_ = true;
  SnapshotInfo& info = summary_.info;
  info.schema_version = header.schema_version();
  info.cluster_id = header.cluster_id();
  info.cluster_name = header.cluster_name();
  info.generation = header.generation();
  info.term = header.term();
  info.epoch = header.epoch();
  info.created_unix_ms = header.created_unix_ms();
  info.berthd_version = header.berthd_version();
  return visitor_.header ? visitor_.header(info) : absl::OkStatus();
}

absl::Status SnapshotReader::TakeRecords() {
  std::string_view rest = buffer_;
  const auto damaged = [&] {
    return Damaged(offset_ + (buffer_.size() - rest.size()), "a record does not fit its frame");
  };
  if (rest.empty()) return damaged();
  const char letter = rest[0];
  rest.remove_prefix(1);
  TableSummary& table = counted_[letter];
  while (!rest.empty()) {
    if (rest.size() < kRecordHeadBytes) return damaged();
    const uint64_t key = GetNumber(rest, 4);
    const uint64_t value = GetNumber(rest.substr(4), 4);
    if (rest.size() - kRecordHeadBytes < key + value) return damaged();
    rest.remove_prefix(kRecordHeadBytes);
    ++table.records;
    table.bytes += key + value;
    if (visitor_.record) {
      BERTH_RETURN_IF_ERROR(visitor_.record(letter, rest.substr(0, key), rest.substr(key, value)));
    }
    rest.remove_prefix(key + value);
  }
  return absl::OkStatus();
}

absl::Status SnapshotReader::TakeTrailer() {
  v1::SnapshotTrailer trailer;
  if (!trailer.ParseFromString(buffer_)) {
    return Damaged(frame_offset_, "the trailer cannot be read");
  }
  if (trailer.checksum() != sum_) {
    return Damaged(frame_offset_, "the checksum over all that comes before is another");
  }
  for (const v1::SnapshotTable& entry : trailer.tables()) {
    TableSummary table{.letter = static_cast<char>(entry.letter()),
                       .name = entry.name(),
                       .records = entry.records(),
                       .bytes = entry.bytes()};
    const TableSummary& counted = counted_[table.letter];
    if (counted.records != table.records || counted.bytes != table.bytes) {
      return Damaged(frame_offset_, "table " + table.name + " should have " +
                                        std::to_string(table.records) + " records, and has " +
                                        std::to_string(counted.records));
    }
    counted_.erase(table.letter);
    summary_.tables.push_back(std::move(table));
  }
  if (!counted_.empty()) return Damaged(frame_offset_, "it has a table that is not counted there");
  return absl::OkStatus();
}

absl::StatusOr<SnapshotSummary> SnapshotReader::Finish() {
  if (status_.ok() && part_ != Part::kNothing) {
    status_ = absl::DataLossError(summary_.bytes == 0
                                      ? "it is empty"
                                      : "cut off at byte " + std::to_string(summary_.bytes) +
                                            ": the rest is missing");
  }
  if (!status_.ok()) return status_;
  return summary_;
}

absl::StatusOr<SnapshotSummary> ReadSnapshotFile(const std::string& path, SnapshotVisitor visitor) {
  const std::string name = "snapshot \"" + path + "\"";
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return base::Annotate(FileError(errno, "open it"), name);
  struct stat found {};
  if (::fstat(file.get(), &found) == 0 && S_ISDIR(found.st_mode)) {
    return absl::FailedPreconditionError(name + ": it is a directory; name the file in it");
  }
  SnapshotReader reader(std::move(visitor));
  const auto buffer = std::make_unique<char[]>(kReadBytes);
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.get(), kReadBytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return base::Annotate(FileError(errno, "read it"), name);
    if (count == 0) break;
    const std::string_view bytes(buffer.get(), static_cast<size_t>(count));
    BERTH_RETURN_IF_ERROR(base::Annotate(reader.Feed(bytes), name));
  }
  absl::StatusOr<SnapshotSummary> summary = reader.Finish();
  if (!summary.ok()) return base::Annotate(summary.status(), name);
  return summary;
}

}  // namespace berth::snapshot
