#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "agentd/journal/journal_file.h"
#include "base/mutex.h"

namespace berth::agentd {

// Writes a journal file on a thread of its own, many callers' records in one group: while one group
// is being synced, the next gathers.
//
// Threading: any thread may call; `on_durable` and `on_error` come on the journal's thread. Errors:
// a write that fails is final: `on_error` is called once, and nothing after it becomes durable.
class Journal {
 public:
  struct Callbacks {
    // Everything given with a ticket up to `ticket` is on disk. `space_low`: see JournalFile. Comes
    // with the last ticket once more when there is room again after it was low, which is looked
    // for every second.
    std::function<void(uint64_t ticket, bool space_low)> on_durable;
    std::function<void(const absl::Status& error)> on_error;
  };

  Journal(JournalFile file, Callbacks callbacks);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  // Writes what it was given, then ends the thread.
  ~Journal();

  // Adds records to the next group. REQUIRES: at least one record; `ticket` rises from call to
  // call.
  void Append(std::vector<std::string> records, uint64_t ticket);

  // Adds records that may wait for a group that has another reason to be written: they are lost by
  // a crash before that.
  void AppendLater(std::vector<std::string> records);

  // Replaces everything given before by `snapshot`, which leaves the same state. When it cannot
  // be written, on a full disk for one, the old journal goes on instead.
  void Replace(std::vector<std::string> snapshot, uint64_t ticket);

  // Bytes given since the last Replace(), and the file's at the start.
  [[nodiscard]] uint64_t bytes() const;

 private:
  // What is given between two writes.
  struct Group {
    std::vector<std::string> records;  // since the snapshot, when there is one
    // What `snapshot` stands for: written only when the snapshot cannot be.
    std::vector<std::string> replaced;
    std::vector<std::string> snapshot;  // empty: none
    uint64_t bytes = 0;
    uint64_t ticket = 0;
    bool urgent = false;
  };

  void Run();
  // Waits for a group that must be written, or for the end; looks for room meanwhile when it is
  // low.
  Group NextGroup();
  absl::Status Write(Group group);

  const Callbacks callbacks_;
  JournalFile file_;      // the thread's
  uint64_t durable_ = 0;  // the thread's: the last ticket

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  Group next_ BERTH_GUARDED_BY(mutex_);
  uint64_t bytes_ BERTH_GUARDED_BY(mutex_);
  bool stopping_ BERTH_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace berth::agentd
