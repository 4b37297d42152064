// Permit: the last yes, no or wait before a placement is bound.
//
// Not called by this version of berthd, which refuses a profile with such a plugin.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "berth/node_columns.h"
#include "berth/plugin.h"
#include "berth/reserve.h"
#include "berth/task_view.h"

namespace berth {

struct Permission {
  enum class Answer : uint8_t {
    kAllow,
    kWait,  // it keeps what it has reserved, and is asked again when a task of its job is reserved
    kReject,  // what it has reserved is given back, and it waits for its turn
  };
  Answer answer = Answer::kAllow;
  // kWait: after so long without an allow it is rejected. 1 to 3,600,000.
  int64_t wait_ms = 0;
};

// Holds back placements that are only good together with others (a gang's).
//
// Asked after Reserve: the columns have the task's reservation already. Of several plugins a reject
// wins over a wait, a wait over an allow.
//
// Threading and errors: as FilterPlugin; an error rejects.
class PermitPlugin : public virtual Plugin {
 public:
  // ENSURES: deterministic in (the task's requirements, the slot, the columns). Cost: O(1), for
  // each placement.
  virtual absl::Status Permit(const TaskView& task, const NodeColumns& columns, Slot slot,
                              const Reservation& reservation, Permission& permission) const = 0;
};

}  // namespace berth
