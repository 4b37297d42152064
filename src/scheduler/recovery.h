// From what the store holds to the state that the loop goes on with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "state/cluster_state.h"
#include "store/recover.h"

namespace berth::scheduler {

struct RecoveryOptions {
  // Names of the configuration's profiles, in its order.
  std::vector<std::string> profiles;
  // Those of the configuration.
  std::vector<state::SharedResourceSpec> shared_resources;
  size_t watch_history_epochs = 10'000;
  // Draws the ranks of a store that is new; one that is not has its own.
  uint64_t new_seed = 0;
};

// Builds the tables and begins a new leader term, which the loop's first turn makes durable.
//
// DATA_LOSS: records contradict one another, named. FAILED_PRECONDITION: a job that has not ended
// uses a profile that the configuration does not have.
absl::StatusOr<std::unique_ptr<state::ClusterState>> BuildState(store::RecoveredState recovered,
                                                                const RecoveryOptions& options);

}  // namespace berth::scheduler
