// Where the cluster's state lasts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/tables.h"
#include "store/write_batch.h"

namespace berth::store {

// The last commit. All zero: nothing was ever committed.
struct Head {
  uint64_t epoch = 0;
  uint64_t term = 0;

  bool operator==(const Head&) const = default;
};

// Called for one record; false ends the scan. The views are good during the call only.
using ScanCallback = std::function<bool(std::string_view key, std::string_view value)>;
// Called for one epoch of the change log; false ends it. `entry` is the value that
// DecodeChangeLog (record_codec.h) reads.
using TailCallback = std::function<bool(uint64_t epoch, std::string_view entry)>;

// Reads records by table and key. What it finds is one state, that of head(): for a snapshot
// always the same, for the store that of the last commit when a call began.
//
// Threading: any thread; calls from several run side by side. A callback may read again.
// Errors: NOT_FOUND for a key that is not there; DATA_LOSS when what is kept is damaged, with the
// place and the way on; INTERNAL or UNAVAILABLE when reading fails. They name the table, and the
// key in the words of record_keys.h.
class StoreReader {
 public:
  virtual ~StoreReader() = default;

  virtual Head head() const = 0;

  // Cost: a lookup; a block of disk when it is not cached.
  virtual absl::StatusOr<std::string> Get(Table table, std::string_view key) const = 0;

  // Calls back for each key that starts with `prefix` and is not less than `from`, in order of
  // bytes. Empty `from`: from the first. Sees the state at the call, whatever is committed during
  // it.
  // Cost: sequential; does not fill caches.
  virtual absl::Status Scan(Table table, std::string_view prefix, std::string_view from,
                            const ScanCallback& callback) const = 0;
  absl::Status Scan(Table table, const ScanCallback& callback) const {
    return Scan(table, {}, {}, callback);
  }

  // Calls back for every epoch after `from_epoch` up to head(), in order.
  // OUT_OF_RANGE: the log no longer goes back that far, or `from_epoch` is beyond head().
  absl::Status Tail(uint64_t from_epoch, const TailCallback& callback) const;
};

struct StoreStats {
  uint64_t disk_bytes = 0;       // files of the store
  uint64_t memory_bytes = 0;     // write buffers and caches
  uint64_t disk_free_bytes = 0;  // that the store's file system has left for this user
};

// Commits batches of any size, each whole or not at all, each on disk before it returns.
//
// Threading: Commit by one thread at a time (the store thread); everything else from any thread,
// during commits too.
class StateStore : public StoreReader {
 public:
  // Where the state is, for messages: "/var/lib/berth".
  virtual const std::string& place() const = 0;
  // The cluster that this state is of, drawn when the store was made: a uuid.
  virtual const std::string& cluster_id() const = 0;

  // Makes `batch` the state of `epoch`, and durable.
  //
  // FAILED_PRECONDITION, with nothing changed: `epoch` is not head().epoch + 1, or `term` is less
  // than head().term (another daemon has taken over), or an earlier commit failed. Any other error
  // is fatal: whether the batch lasts is not known until the store is opened again, and every
  // further commit is refused. Cost: one sync of the disk (about 0.1 to 1 ms), and about 1 us a
  // record.
  virtual absl::Status Commit(const WriteBatch& batch, uint64_t epoch, uint64_t term) = 0;

  // The state of now, for as long as it is held: it keeps what it shows from being reclaimed.
  // REQUIRES: goes before the store does.
  virtual absl::StatusOr<std::unique_ptr<const StoreReader>> Snapshot() const = 0;

  // Content by its SHA-256 in lower-case hexadecimal. Recently used content is shared.
  // NOT_FOUND; DATA_LOSS when what is kept under the address has another hash.
  virtual absl::StatusOr<std::shared_ptr<const std::string>> GetBlob(
      std::string_view hash) const = 0;

  // Whether there is room for new work; asked before it is taken. RESOURCE_EXHAUSTED, with the way
  // on: what runs may still end, and nothing more should begin. Cost: one system call.
  virtual absl::Status CheckRoom() const = 0;

  // Cost: some file system calls.
  virtual StoreStats stats() const = 0;
};

}  // namespace berth::store
