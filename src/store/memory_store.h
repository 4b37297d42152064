// A store in memory, for tests and the simulator, on a disk that can fail.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "store/record_sink.h"
#include "store/state_store.h"

namespace berth::store {

// What outlives a MemoryStore, as a disk outlives a process: to crash a daemon, destroy its store
// and open another on the same disk.
//
// Threading: any thread. One store at a time; a second one opened on it takes over from the first,
// whose commits are then refused.
class MemoryDisk {
 public:
  explicit MemoryDisk(std::string cluster_id = "00000000-0000-4000-8000-000000000000")
      : cluster_id_(std::move(cluster_id)) {}

  // A disk that holds the records that `source` puts into the sink, whose last commit is `head`.
  static absl::StatusOr<std::shared_ptr<MemoryDisk>> Build(
      const std::string& cluster_id, const Head& head,
      const std::function<absl::Status(const RecordSink& sink)>& source);

  // The next commit fails with `status` and leaves no trace.
  void FailNextWrite(absl::Status status);
  // The next commit fails with `status` after its content was written but not made sure of: the
  // next store opened on this disk finds it or, after LoseUnsynced, does not.
  void FailNextSync(absl::Status status);
  // Power fails: what a failed sync left is gone. REQUIRES: no store is open.
  void LoseUnsynced();

  // What CheckRoom answers from now on; OK at first.
  void SetRoom(absl::Status room);

  // Until ReleaseCommits, commits stand still before they write, as on a disk that hangs.
  void HoldCommits();
  void ReleaseCommits();
  // Returns once `count` commits have stood still since HoldCommits.
  void AwaitHeldCommits(uint64_t count);

  // Changes a value behind the store's back, as a fault of the disk would.
  void Corrupt(Table table, const std::string& key, std::string value);

 private:
  friend class MemoryStore;
  friend class MemoryView;

  using Records = std::map<std::string, std::shared_ptr<const std::string>, std::less<>>;
  struct Content {
    std::map<Table, Records> tables;
    Head head;
    uint64_t readers = 0;  // guarded by mutex_; with any, the rest does not change
  };

  // Content that may be changed: a copy when somebody reads the present one.
  Content& Writable() BERTH_REQUIRES(mutex_);

  const std::string cluster_id_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::shared_ptr<Content> content_ BERTH_GUARDED_BY(mutex_) = std::make_shared<Content>();
  std::shared_ptr<Content> before_unsynced_ BERTH_GUARDED_BY(mutex_);
  absl::Status write_fault_ BERTH_GUARDED_BY(mutex_);
  absl::Status sync_fault_ BERTH_GUARDED_BY(mutex_);
  absl::Status room_ BERTH_GUARDED_BY(mutex_);
  bool holding_ BERTH_GUARDED_BY(mutex_) = false;
  uint64_t held_ BERTH_GUARDED_BY(mutex_) = 0;
  uint64_t owner_ BERTH_GUARDED_BY(mutex_) = 0;  // number of the store that may commit
};

// Cost: as std::map. A commit while a snapshot or a scan is open copies the pointers of all
// records.
class MemoryStore final : public StateStore {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryDisk> disk);

  Head head() const override;
  absl::StatusOr<std::string> Get(Table table, std::string_view key) const override;
  using StoreReader::Scan;
  absl::Status Scan(Table table, std::string_view prefix, std::string_view from,
                    const ScanCallback& callback) const override;
  const std::string& place() const override { return place_; }
  const std::string& cluster_id() const override { return disk_->cluster_id_; }
  absl::Status Commit(const WriteBatch& batch, uint64_t epoch, uint64_t term) override;
  absl::StatusOr<std::unique_ptr<const StoreReader>> Snapshot() const override;
  absl::StatusOr<std::shared_ptr<const std::string>> GetBlob(std::string_view hash) const override;
  absl::Status CheckRoom() const override;
  // Free space is that of a large empty disk.
  StoreStats stats() const override;

 private:
  const std::shared_ptr<MemoryDisk> disk_;
  const std::string place_ = "memory";
  uint64_t number_ = 0;  // of this store among those of the disk
  bool failed_ = false;  // Commit's thread only
};

}  // namespace berth::store
