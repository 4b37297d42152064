// What a profile's plugins say of every node, for explanations: nothing is kept, and one pass is
// made for each plugin.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/node_columns.h"
#include "berth/node_mask.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"

namespace berth::pipeline {

// Clears from `feasible` every node that one filter removes.
// REQUIRES: feasible.size() == columns.size(). Errors: the plugin could not work; names it.
absl::Status FilterAll(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                       NodeMask& feasible);

// Clears from `feasible` every node that a filter of the profile removes, in profile order, and
// stops when none is left. REQUIRES, errors: as above.
absl::Status FilterAll(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                       NodeMask& feasible);

// For every slot, the sum of score x weight. Plugins of scope kCluster are asked about the nodes
// that fit, and no others. Errors: as above.
absl::StatusOr<std::vector<int32_t>> ScoreAll(const Profile& profile, const TaskView& task,
                                              const NodeColumns& columns, const NodeMask& feasible);

}  // namespace berth::pipeline
