// PreBind, Bind, PostBind: a placement becomes a binding.
//
// Not called by this version of berthd, which refuses a profile with such a plugin: it binds by
// itself, and a binding is durable before its node hears of it.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "berth/node_columns.h"
#include "berth/plugin.h"
#include "berth/reserve.h"
#include "berth/task_view.h"

namespace berth {

// What is about to be bound, or was.
struct Binding {
  Slot slot = kNoSlot;
  uint32_t attempt = 0;  // of the task, from 1
  const Reservation& reservation;
};

// May still refuse a placement that is permitted.
//
// Threading: as FilterPlugin. Errors: non-OK gives back what was reserved, and the task goes back
// to the queue with a back-off.
class PreBindPlugin : public virtual Plugin {
 public:
  // ENSURES: deterministic in (the task's requirements, the binding, the columns). Cost: O(1), for
  // each placement.
  virtual absl::Status PreBind(const TaskView& task, const NodeColumns& columns,
                               const Binding& binding) const = 0;
};

// Says for which tasks the record of a binding is written; the first plugin that does not skip a
// task has it. berthd's own writes those of all others.
//
// Threading and errors: as PreBindPlugin.
class BindPlugin : public virtual Plugin {
 public:
  virtual bool Skips(const TaskRequirements& needs) const = 0;
  virtual absl::Status Bind(const TaskView& task, const NodeColumns& columns,
                            const Binding& binding) const = 0;
};

// Hears of a binding that is durable. It can change nothing about it.
//
// Threading: as FilterPlugin. Errors: none; what it throws is counted.
class PostBindPlugin : public virtual Plugin {
 public:
  // Cost: O(1), for each placement.
  virtual void PostBind(const TaskView& task, const Binding& binding) const = 0;
};

}  // namespace berth
