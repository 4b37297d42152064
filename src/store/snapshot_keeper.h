// berthd's own snapshots: one each interval, the newest of them kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "store/state_store.h"

namespace berth::store {

struct SnapshotKeeperOptions {
  // Made when it is missing; its parent is there.
  std::string directory;
  int64_t interval_ms = 24 * 3600 * int64_t{1000};
  // At least 1.
  int64_t keep = 7;
  std::string cluster_name;
  std::string berthd_version;
  // After a start: berthd has other things to do then. Less with a shorter interval.
  int64_t first_after_ms = 60 * int64_t{1000};
  // After a failure. As above.
  int64_t retry_after_ms = 5 * 60 * int64_t{1000};
};

// The newest snapshot, whoever ran when it was made, and what went wrong since this start.
struct SnapshotKeeperStats {
  int64_t last_success_unix_ms = 0;  // 0: there is none
  uint64_t last_bytes = 0;
  uint64_t failures = 0;
};

// Writes berth-<8 digits of the cluster's id>-<UTC time>-e<epoch>.snapshot when the newest of this
// cluster is older than the interval, under another name first, and removes the oldest beyond
// `keep`. Other files are left alone. It does not begin while the store has too little room for new
// work, and gives up when it gets into that. A failure is logged, counted, and tried again after a
// pause.
//
// Sleeps from one snapshot to the next. Threading: one owner; stats from any thread.
class SnapshotKeeper {
 public:
  // `store` and `clock` outlive it.
  SnapshotKeeper(SnapshotKeeperOptions options, const StateStore& store, const base::Clock& clock);
  ~SnapshotKeeper();

  void Start();
  // One that is being written is given up. Idempotent.
  void Stop();

  SnapshotKeeperStats stats() const;

 private:
  struct Kept {
    std::string path;
    int64_t unix_ms = 0;
  };

  // Writes one if it is due; the time until the next look.
  int64_t Round();
  void RoundAndOn();
  absl::Status MakeDirectory() const;
  // By name, and so by time.
  absl::StatusOr<std::vector<Kept>> List() const;
  absl::Status Write();
  absl::Status Prune(const std::string& written) const;
  std::optional<int64_t> TimeOf(const std::string& name) const;

  const SnapshotKeeperOptions options_;
  const StateStore& store_;
  const base::Clock& clock_;
  const std::string prefix_;  // of names
  std::atomic<bool> stopping_ = false;

  mutable base::Mutex mutex_;
  SnapshotKeeperStats stats_ BERTH_GUARDED_BY(mutex_);

  base::WorkThread thread_;  // last: it uses what is above
};

}  // namespace berth::store
