// Device score: says how good each set of devices is that a task could get on a node.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "berth/device_sets.h"
#include "berth/node_columns.h"
#include "berth/plugin.h"
#include "berth/task_view.h"

namespace berth {

// Scores candidate sets of devices from 0 (worst) to kMaxScore (best), for tasks that ask for
// devices.
//
// A task gets, of each node, the set with the highest weighted sum over all plugins that score
// sets; of equal sums the first in canonical order (DeviceSets). What the plugins gave that set is
// the node's score by them, and it adds up with what other plugins say of the node. Reserve takes
// the same set. A task that asks for several kinds of devices gets the best set of each kind by
// itself; the plugin's score is then the mean over the kinds, rounded down.
//
// A plugin stands among a profile's scores, with a weight. One that is a ScorePlugin too is asked
// there about tasks without devices, and here about those with them.
//
// Scope: kNode. An answer depends on the task's requirements and on the node's row alone.
//
// Threading and errors: as FilterPlugin.
class DeviceScorePlugin : public virtual Plugin {
 public:
  virtual Reads reads() const = 0;

  // True when the plugin gives every set the same score for such a task, so that it need not be
  // asked. Then the score counts as 0.
  virtual bool Skips(const TaskRequirements& needs) const {
    (void)needs;
    return false;
  }

  // Writes the score of each of `sets`, those of `need` on the node in `slot`, to scores[set].
  //
  // REQUIRES: slot < columns.size(); `need` is one of the task's; sets.size() > 0;
  // scores.size() == sets.size().
  // ENSURES: 0 <= scores[i] <= kMaxScore.
  // Cost: called for each node that fits, whenever it has changed: no allocation, no more than
  // O(sets x devices) and what does not depend on the number of nodes.
  virtual absl::Status ScoreSets(const TaskView& task, const NodeColumns& columns, Slot slot,
                                 const DeviceNeed& need, const DeviceSets& sets,
                                 std::span<int32_t> scores) const = 0;
};

}  // namespace berth
