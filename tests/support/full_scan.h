// The oracle: placement by a full scan of the plugins' contract, in the plainest way.
#pragma once

#include "absl/status/statusor.h"
#include "berth/node_columns.h"
#include "berth/task_view.h"
#include "engine/placement.h"
#include "engine/plugin_set.h"
#include "state/node_table.h"

namespace berth::testing {

// What every faster way to place must agree with: every filter and every score is asked about all
// nodes, totals are added up one by one, and the best is looked for node by node.
//
// Errors: a plugin that could not work.
absl::StatusOr<engine::Placement> PlaceByFullScan(const engine::PluginSet& plugins,
                                                  const TaskView& asked,
                                                  const state::NodeTable& columns);

}  // namespace berth::testing
