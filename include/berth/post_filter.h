// PostFilter: what could be done for a task that fits nowhere now.
//
// Not called by this version of berthd, which refuses a profile with such a plugin.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "berth/ids.h"
#include "berth/node_columns.h"
#include "berth/node_mask.h"
#include "berth/plugin.h"
#include "berth/task_view.h"

namespace berth {

// Tasks whose end makes room for another on one node.
struct Nomination {
  Slot slot = kNoSlot;           // kNoSlot: nothing can be done
  std::vector<TaskKey> victims;  // on that node; in order of key, each once
};

// Chooses what to end, so that a task fits which no node passes the filters for: preemption.
//
// Asked after Filter has left no node. A nomination is charged to the node's row for everyone; what
// victims hold is free only when their end is durable, and the task is placed by a pass of its own
// then.
//
// Threading and errors: as FilterPlugin.
class PostFilterPlugin : public virtual Plugin {
 public:
  // Sets `nomination`.
  //
  // REQUIRES: no node of `candidates` passes every filter, each would if enough of its tasks were
  // gone. ENSURES: the slot is one of `candidates`; deterministic in (the task's requirements, the
  // columns). Cost: cold path, once for each shape that is parked; may allocate.
  virtual absl::Status PostFilter(const TaskView& task, const NodeColumns& columns,
                                  const NodeMask& candidates, Nomination& nomination) const = 0;
};

}  // namespace berth
