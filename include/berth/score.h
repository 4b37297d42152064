// Score: says how good each node is that passed the filters.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "berth/node_columns.h"
#include "berth/plugin.h"
#include "berth/slot_span.h"
#include "berth/task_view.h"

namespace berth {

// Scores nodes from 0 (worst) to kMaxScore (best).
//
// Scores are integers, rounded here, so that sums are associative and a cached total equals a
// recomputed one to the bit. They are absolute: a node's score may not depend on which other nodes
// are candidates, unless scope() is kCluster.
//
// Threading and errors: as FilterPlugin.
class ScorePlugin : public virtual Plugin {
 public:
  virtual Scope scope() const = 0;
  virtual Reads reads() const = 0;

  // True when the plugin gives every node the same score for such a task, so that its pass can be
  // left out (a fragmentation score for a task without devices). Then the score counts as 0.
  virtual bool Skips(const TaskRequirements& needs) const {
    (void)needs;
    return false;
  }

  // Writes the score of the slot at each position of `slots` to scores[position], also where the
  // node is not feasible (any value in range).
  //
  // REQUIRES: every slot < columns.size(); scores.size() == slots.size().
  // ENSURES: 0 <= scores[i] <= kMaxScore.
  // Cost: one pass over `slots`, no allocation, no virtual call per node but columns.devices().
  virtual absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                             std::span<int32_t> scores) const = 0;
};

}  // namespace berth
