// Placement by a look at every node: what the engine must agree with.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"
#include "state/node_table.h"

namespace berth::pipeline {

struct BestNode {
  Slot slot = kNoSlot;  // kNoSlot: none fits
  int64_t total = 0;    // sum of score x weight

  bool operator==(const BestNode&) const = default;
};

// The node that a task goes to when every plugin is asked about every node, and nothing is
// remembered. Errors: a plugin that could not work, named.
// Cost: cold path; one pass of each plugin over all nodes, and allocates.
absl::StatusOr<BestNode> LookAtAll(const Profile& profile, const TaskView& task,
                                   const state::NodeTable& table);

}  // namespace berth::pipeline
