// A data directory whose state is that of a snapshot: what `berth admin snapshot restore` does.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "snapshot/snapshot_summary.h"
#include "store/state_store.h"

namespace berth::store {

struct RestoreOptions {
  std::string file;
  std::string data_dir;
  // clusterName of the configuration. Empty: none.
  std::string cluster_name;
  // Of the restored state. Absent: one more than any that is known.
  std::optional<uint32_t> generation;
  // Who does this, for the audit record: "uid:0".
  std::string principal;
  // Whether a daemon could start on the new state; an error, and nothing is put in force.
  std::function<absl::Status(const StateStore& restored)> check;
};

struct RestoreOutcome {
  snapshot::SnapshotSummary snapshot;
  uint32_t generation = 0;
  uint64_t epoch = 0;
  // Where the database is that was in force before. Empty: there was none.
  std::string moved_aside;
  // Not empty: why its generation could not be looked at, and was taken as given.
  std::string unreadable;
};

// Verifies all of the file, builds the new state beside the old, and puts it in force (see
// restore_swap.h). A kill at any moment leaves the one or the other.
//
// The new state is the snapshot's, but for these:
// * generation: as above. It is greater than the snapshot's and than that of the state in the
//   directory, so that agents follow it and not a daemon that was left running on the old state.
// * epoch: EpochInGeneration (state/generation.h); term: the greater of both states'.
// * the counter of job ids begins at 1, under the new generation.
// * the change log is empty, so that no watch of the old timeline goes on in the new one.
// * no task's StartTask counts as sent: what an agent has no trace of becomes a new attempt, and is
//   never started twice.
// * an audit record says who restored what.
//
// FAILED_PRECONDITION: a berthd runs on the directory; it is of another cluster, or not empty and
// not ours; the generation is not greater; the file is of a newer version. DATA_LOSS: the file is
// damaged, or its records contradict one another. Whatever the error, the old state is in force,
// but for an error that says otherwise. Cost: reads the file twice, writes it once.
absl::StatusOr<RestoreOutcome> RestoreSnapshot(const RestoreOptions& options,
                                               const base::Clock& clock);

// Action of the audit record.
inline constexpr char kRestoreAction[] = "restore_snapshot";

// What the audit record says of the restore that made the state at `store`'s head; nullopt when its
// last commit was another.
absl::StatusOr<std::optional<std::string>> FindRestore(const StateStore& store);

}  // namespace berth::store
