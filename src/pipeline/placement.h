// Placement by full scan: the best node for one task, over all nodes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/node_columns.h"
#include "berth/node_mask.h"
#include "berth/reserve.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"

namespace berth::pipeline {

// Where a task goes, and what decided it.
struct Placement {
  // kNoSlot: no node passes every filter; then all else is 0 or empty.
  Slot slot = kNoSlot;
  // Sum of score x weight over the profile's score plugins.
  int64_t total = 0;
  // The node that would have won without the winner; kNoSlot when there is none.
  Slot runner_up = kNoSlot;
  int64_t runner_up_total = 0;
  // Nodes that passed every filter.
  int64_t nodes_feasible = 0;
  // The winner's score by plugin, before weights, in the order of profile.scores(). Entries past
  // their number are 0.
  std::array<int32_t, kMaxScorePlugins> plugin_scores{};
  // What the task takes of the winner besides its countable requests.
  Reservation reservation;
};

// Columns that one placement needs, kept between placements so that none is allocated again.
//
// Threading: one placement at a time.
class PlacementScratch {
 public:
  // Makes room for `size` slots. Allocates only when the table grew.
  void Resize(size_t size);

  NodeMask feasible;
  std::vector<int32_t> scores;
  std::vector<int64_t> totals;
};

// Clears from `feasible` every node that one filter removes.
// REQUIRES: feasible.size() == columns.size(). Errors: the plugin could not work; names it.
absl::Status RunFilter(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                       NodeMask& feasible);

// Clears from `feasible` every node that a filter of the profile removes, in profile order, and
// stops when none is left. REQUIRES, errors: as RunFilter.
absl::Status RunFilters(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                        NodeMask& feasible);

// Writes to scratch.totals, for every slot, the sum of score x weight; scratch.scores is
// overwritten. REQUIRES: scratch has columns.size() slots. Errors: as RunFilter.
absl::Status RunScores(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                       PlacementScratch& scratch);

// Writes the score of each of the profile's score plugins for one node, before weights; 0 where the
// plugin skips the task. REQUIRES: slot < columns.size(); scratch has columns.size() slots;
// scores.size() >= profile.scores().size(). Errors: as RunFilter.
absl::Status ScoreSlot(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                       Slot slot, PlacementScratch& scratch, std::span<int32_t> scores);

// Chooses, among the nodes that pass every filter, the one with the highest total; of equals the
// one with the lowest rank. Then reserves on it. Nothing is changed: the caller allocates.
//
// A function of (profile, the task's requirements, columns) alone. This is the scan that every
// faster way to place must agree with.
//
// Errors: a plugin that could not work, named; that no node fits is not an error.
// Cost: one pass over the columns per plugin and one over the totals; see WorkUnits. Allocates
// nothing once the scratch has grown to the table, apart from the reservation of a task with
// devices.
absl::StatusOr<Placement> Place(const Profile& profile, const TaskView& task,
                                const NodeColumns& columns, PlacementScratch& scratch);

// What one placement counts against a turn's budget: entries of columns touched, to the nearest
// whole column per plugin. At least 1.
int64_t WorkUnits(const Profile& profile, const NodeColumns& columns);

}  // namespace berth::pipeline
