#pragma once

#include "berth/task_view.h"
#include "state/job_spec.h"
#include "state/node_table.h"

namespace berth::state {

// Requirements back in words: for those outside of the loop, who do not know its numbers. Without
// the rules between tasks, of which requirements have only the counters.
//
// REQUIRES: the requirements' names are known to `nodes`. Cost: allocates; O(names).
NeedsSpec WordsOf(const TaskRequirements& needs, const NodeTable& nodes);

}  // namespace berth::state
