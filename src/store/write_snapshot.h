// The store's state as a snapshot file.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "snapshot/snapshot_summary.h"
#include "snapshot/snapshot_writer.h"
#include "store/state_store.h"

namespace berth::store {

// What the state does not know of itself.
struct SnapshotOrigin {
  std::string cluster_name;  // empty: it has none
  std::string berthd_version;
  int64_t created_unix_ms = 0;
};

// Writes every record of every table of `state`, which is one state: a snapshot of the store.
//
// FAILED_PRECONDITION: nothing was ever committed. Else the reader's errors and the sink's.
// Cost: reads all there is, without filling caches; keeps 256 KiB, or the largest record.
absl::StatusOr<snapshot::SnapshotSummary> WriteSnapshot(const StoreReader& state,
                                                        const SnapshotOrigin& origin,
                                                        snapshot::ByteSink sink);

}  // namespace berth::store
