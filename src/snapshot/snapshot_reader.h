// Reads a snapshot and checks all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "snapshot/snapshot_format.h"
#include "snapshot/snapshot_summary.h"

namespace berth::snapshot {

// Who wants what is read, before the whole has been seen; null: nobody. An error ends the reading
// and is its result. The views are good during the call only.
struct SnapshotVisitor {
  std::function<absl::Status(const SnapshotInfo& info)> header;
  std::function<absl::Status(char table, std::string_view key, std::string_view value)> record;
};

// Fed with the bytes of a file, in pieces of any size.
//
// Memory: one frame: 256 KiB, or one record where that is larger.
// Threading: one thread at a time.
// Errors, the first of which every further call repeats: DATA_LOSS, with the offset and what is
// wrong there, when it is not exactly what was written; FAILED_PRECONDITION when it is of a newer
// format; else the visitor's own.
class SnapshotReader {
 public:
  explicit SnapshotReader(SnapshotVisitor visitor = {}) : visitor_(std::move(visitor)) {}

  absl::Status Feed(std::string_view bytes);
  // After the last byte: OK only when the file is whole.
  absl::StatusOr<SnapshotSummary> Finish();

 private:
  absl::Status Take(std::string_view bytes);
  absl::Status TakeUnit();
  absl::Status TakePreamble();
  absl::Status TakeFrame();
  absl::Status TakeHeader();
  absl::Status TakeRecords();
  absl::Status TakeTrailer();
  // DATA_LOSS at `place`, an offset in the file.
  static absl::Status Damaged(uint64_t place, std::string_view what);

  const SnapshotVisitor visitor_;
  absl::Status status_;
  enum class Part { kPreamble, kHead, kPayload, kNothing } part_ = Part::kPreamble;
  size_t wanted_ = kPreambleBytes;  // bytes of the part
  std::string buffer_;              // what has come of it
  uint64_t offset_ = 0;             // of the part
  uint64_t frame_offset_ = 0;
  FrameHead head_;
  bool has_header_ = false;
  uint64_t sum_ = kFirstSum;
  std::map<char, TableSummary> counted_;  // without names
  SnapshotSummary summary_;
};

// Reads the file at `path`, "-" not excepted. As above; and NOT_FOUND, PERMISSION_DENIED...:
// it cannot be read. Errors name the file.
absl::StatusOr<SnapshotSummary> ReadSnapshotFile(const std::string& path,
                                                 SnapshotVisitor visitor = {});

}  // namespace berth::snapshot
