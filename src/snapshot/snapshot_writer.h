// Writes a snapshot, piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "snapshot/snapshot_summary.h"

namespace berth::snapshot {

// Takes the file's next bytes. An error ends the writing.
using ByteSink = std::function<absl::Status(std::string_view bytes)>;

// Begin, then Add for each record, table by table, then End. After an error nothing more is called.
//
// Memory: one frame: 256 KiB, or one record where that is larger.
// Threading: one thread at a time. Errors: the sink's; INVALID_ARGUMENT for a record beyond 1 GiB.
class SnapshotWriter {
 public:
  // `tables`: letters and names of all there are, in order.
  SnapshotWriter(ByteSink sink, std::vector<std::pair<char, std::string>> tables);

  absl::Status Begin(const SnapshotInfo& info);
  // REQUIRES: the table is one of those above.
  absl::Status Add(char table, std::string_view key, std::string_view value);
  absl::StatusOr<SnapshotSummary> End();

 private:
  absl::Status WriteFrame(char kind, std::string_view payload);
  absl::Status Flush();

  const ByteSink sink_;
  SnapshotSummary summary_;  // bytes: written so far
  std::string records_;      // payload of the open frame; empty: none is open
  uint64_t sum_;
};

}  // namespace berth::snapshot
