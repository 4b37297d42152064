// Which nodes could ever hold a task: what tells "waits" from "never fits".
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "berth/node_mask.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"
#include "pipeline/rejections.h"
#include "state/node_table.h"

namespace berth::pipeline {

struct PossibleNodes {
  // Nodes that no filter removes for good: they would pass if everything on them were released,
  // they were ready and not cordoned.
  NodeMask nodes;
  // The others, each counted once, for the first filter in profile order that removes it for good.
  // Only filled on demand.
  std::vector<RejectionGroup> never;
};

// Asks every filter about every node. Errors: a plugin that could not work, named.
// Cost: cold path; one filter pass and one diagnosis per filter.
absl::StatusOr<PossibleNodes> FindPossibleNodes(const Profile& profile, const TaskView& task,
                                                const state::NodeTable& table, bool why_never);

}  // namespace berth::pipeline
