// What a daemon that starts finds in its store.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "state/changes.h"
#include "state/views.h"
#include "store/change_log.h"
#include "store/state_store.h"

namespace berth::store {

// Reads a specification from the content that JobSpec::blob names. An error says what is wrong with
// the content. Sets everything but `blob`.
using JobSpecDecoder = std::function<absl::StatusOr<state::JobSpec>(std::string_view blob)>;
// Reads NodeSpec::encoded_inventory. Sets everything but name, agent_version and encoded_inventory.
using NodeSpecDecoder = std::function<absl::StatusOr<state::NodeSpec>(std::string_view inventory)>;

struct SpecDecoders {
  JobSpecDecoder job;
  NodeSpecDecoder node;
};

struct RecoveredJob {
  state::JobView job;                        // counts are all 0
  std::vector<state::TaskStatusView> tasks;  // by group, then position; those that have a row
  // Empty, or one for each group.
  std::vector<state::GroupHints> hints;
};

// Jobs of equal content share their JobSpec; bindings of equal sheets their ScoreSheet.
struct RecoveredState {
  Head head;
  // With epoch and term as in head. cluster_id is the store's own when nothing was ever committed.
  state::ClusterMeta meta;
  std::vector<RecoveredJob> jobs;  // by id
  // By slot. ready, allocated, devices, tasks and usage are not kept: they are as in a new
  // NodeView.
  std::vector<state::NodeView> nodes;
  std::vector<state::NodeLinkView> links;  // by slot; each of a node above
  std::vector<state::RequestView> requests;
  std::vector<state::BatchView> batches;
  std::vector<ChangeLogEntry> change_log;  // by epoch, without gaps, up to head
};

// Reads all of it. Checks each record on its own, and that each one that another names is there.
//
// DATA_LOSS: a record is damaged, or records contradict one another; FAILED_PRECONDITION: one was
// written by a version that is too new. The message names the store, the table, the object, what is
// wrong, and the way on. Nothing is repaired or left out.
// Cost: about 2 us a task and 5 us a distinct job specification.
absl::StatusOr<RecoveredState> Recover(const StateStore& store, const SpecDecoders& decoders);

}  // namespace berth::store
