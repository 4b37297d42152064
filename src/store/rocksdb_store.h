// State in a RocksDB database in a local directory.
// Why it is laid out so: docs/adr/0001-state-in-rocksdb.md.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "state/changes.h"
#include "store/disk_room.h"
#include "store/record_sink.h"
#include "store/state_store.h"

namespace berth::store {

struct RocksDbStoreOptions {
  std::string data_dir;
  // clusterName of the configuration. Empty: none.
  std::string cluster_name;
  // Bounds of memory. A small daemon stays small; what is written beyond waits on disk.
  size_t write_buffer_bytes = size_t{24} << 20;  // of all tables together
  size_t block_cache_bytes = size_t{8} << 20;
  size_t blob_cache_bytes = size_t{8} << 20;
  DiskRoomOptions room;
};

// One process holds a data directory at a time. Every commit is one write of RocksDB's log, synced.
//
// Opening finds all that was committed. A log that ends in the middle of a write, as a crash leaves
// it, is cut there: nothing of that write was acknowledged. Any other damage refuses to open.
class RocksDbStore final : public StateStore {
 public:
  // Errors: those of DataDirectory::Open; DATA_LOSS when the database is damaged; others when it
  // cannot be read or written. They name the directory and the way on.
  // Cost: reads back the log, at most 64 MiB; else some ms.
  static absl::StatusOr<std::unique_ptr<RocksDbStore>> Open(const RocksDbStoreOptions& options,
                                                            const base::Clock& clock);
  // Makes the database of a data directory that has none, whose last commit is `head`, of the
  // records that `source` puts into the sink. Whole and on disk when it returns; a kill, or an
  // error, leaves what cannot be used. REQUIRES: the directory is the caller's.
  static absl::Status Build(const std::string& data_dir, const Head& head,
                            const std::function<absl::Status(const RecordSink& sink)>& source);

  // The cluster's numbers as of the last commit, of a database that nobody has open. All zero:
  // there was none. Changes nothing on disk. Errors: as Open.
  struct Glimpse {
    Head head;
    state::ClusterMeta meta;
  };
  static absl::StatusOr<Glimpse> Peek(const std::string& data_dir);

  ~RocksDbStore() override;

  // clusterName that the directory was made with. Empty: it had none.
  const std::string& cluster_name() const;

  Head head() const override;
  absl::StatusOr<std::string> Get(Table table, std::string_view key) const override;
  using StoreReader::Scan;
  absl::Status Scan(Table table, std::string_view prefix, std::string_view from,
                    const ScanCallback& callback) const override;
  const std::string& place() const override;
  const std::string& cluster_id() const override;
  absl::Status Commit(const WriteBatch& batch, uint64_t epoch, uint64_t term) override;
  absl::StatusOr<std::unique_ptr<const StoreReader>> Snapshot() const override;
  absl::StatusOr<std::shared_ptr<const std::string>> GetBlob(std::string_view hash) const override;
  absl::Status CheckRoom() const override;
  StoreStats stats() const override;

 private:
  struct Impl;
  explicit RocksDbStore(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace berth::store
