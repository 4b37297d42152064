// What a restore changes in the records of a snapshot, so that nothing that was given out since is
// given out again with another meaning: docs/adr/0006-snapshots-and-generations.md.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "state/changes.h"
#include "store/record_sink.h"
#include "store/state_store.h"
#include "store/tables.h"

namespace berth::store {

// The cluster's numbers in the restored state: those of the snapshot, under a new generation.
// `term`: the greatest that any state of this cluster is known to have had.
state::ClusterMeta RestoredMeta(const state::ClusterMeta& snapshot, const Head& head,
                                uint32_t generation, uint64_t term);

// Puts what becomes of one record of the snapshot.
absl::Status PutRestored(Table table, std::string_view key, std::string_view value,
                         const state::ClusterMeta& restored, const RecordSink& sink);

// Puts what follows the snapshot's records: the restore is an epoch of its own, in which no object
// has changed.
absl::Status PutRestoredEpoch(const state::ClusterMeta& restored, const RecordSink& sink);

}  // namespace berth::store
