#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentd/journal/journal_frames.h"
#include "base/unique_fd.h"

namespace berth::agentd {

// An append-only file of groups of records.
//
// A group is written by one call and is one frame (journal_frames.h). What a crash cut off is
// dropped when the file is opened; a file whose durable part is damaged is refused.
//
// Space is reserved ahead of the end, so that what must be noted can be when the disk fills up.
//
// Threading: one thread at a time. Errors name the file; after a failed Append or Replace the state
// of the file is not known, and the only way on is to open it anew, unless Replace says otherwise.
class JournalFile {
 public:
  using Visit = RecordVisitor;
  // Reserves `bytes` of a file from `offset` on, its size unchanged; 0, or what errno said.
  using ReserveSpace = std::function<int(int fd, uint64_t offset, uint64_t bytes)>;
  static int ReserveOnDisk(int fd, uint64_t offset, uint64_t bytes);

  // Opens the journal at `path`, made if missing, and gives its records to `visit` in order.
  // DataLoss, with the offset and the way on, when it is damaged; the error of `visit`, with the
  // offset, when that refuses a record.
  static absl::StatusOr<JournalFile> Open(const std::string& path, const Visit& visit,
                                          ReserveSpace reserve = ReserveOnDisk);

  // Makes the records durable, all or none. Cost: one write, one fdatasync.
  absl::Status Append(const std::vector<std::string>& records);

  // Replaces the whole journal by these records, so that a crash leaves the old or the new one.
  // Unavailable: it could not, and the old one goes on.
  absl::Status Replace(const std::vector<std::string>& records);

  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  // True when no more space could be reserved ahead: notes must be kept few.
  [[nodiscard]] bool space_low() const { return space_low_; }
  // Tries to reserve what is missing ahead. After each Append and Replace this has been done; what
  // can change in between is a disk that was full. Cost: one system call, if anything is missing.
  void Reserve();
  // Bytes that were cut off when it was opened.
  [[nodiscard]] uint64_t torn_bytes() const { return torn_bytes_; }

 private:
  JournalFile() = default;

  std::string path_;
  ReserveSpace reserve_;
  base::UniqueFd fd_;
  uint64_t bytes_ = 0;
  uint64_t reserved_to_ = 0;
  uint64_t next_group_ = 1;
  uint64_t torn_bytes_ = 0;
  bool space_low_ = false;
};

}  // namespace berth::agentd
