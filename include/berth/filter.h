// Filter: the first extension point of a cycle.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "berth/node_columns.h"
#include "berth/node_mask.h"
#include "berth/plugin.h"
#include "berth/reason.h"
#include "berth/slot_span.h"
#include "berth/task_view.h"

namespace berth {

// Collects why nodes were removed. Filled outside the hot path, for `explain` and for parking.
class RejectionSink {
 public:
  virtual ~RejectionSink() = default;

  // One node was removed. `subject`: index of the resource, or id of the device kind, label or
  // taint concerned, by reason; `requested`, `free`, `capacity` in the subject's quantum, 0 where
  // no amount is concerned (device memory in MiB, shares of a device in thousandths).
  // `permanent`: the node would be removed even if all on it were released, its agent connected,
  // its devices well, it were not cordoned, and whatever other tasks came and went; what operators
  // would have to change about the node itself (size, labels, taints) counts as permanent.
  virtual void Reject(Slot slot, Reason reason, uint32_t subject, int64_t requested, int64_t free,
                      int64_t capacity, bool permanent) = 0;
};

// Removes the nodes on which a task cannot run.
//
// A filter sees the cluster as columns and is asked about a range of slots, or about a list of
// those that changed. Its answer for a slot may depend only on what scope() and reads() declare:
// the engine keeps it until one of those changes. It clears bits of the mask and never sets one, so
// filters commute and their order is only cost.
//
// Threading: the loop's thread only; const, never blocks, keeps nothing in members.
// Errors: a node that does not fit is a cleared bit, not an error. Non-OK means that the plugin
// itself cannot work; the task then goes back to the queue with a back-off.
class FilterPlugin : public virtual Plugin {
 public:
  virtual Scope scope() const = 0;
  virtual Reads reads() const = 0;

  // True when the plugin removes no node for such a task, so that it need not be asked.
  virtual bool PassesAll(const TaskRequirements& needs) const {
    (void)needs;
    return false;
  }

  // Clears from `feasible` each slot that cannot run `task`.
  //
  // REQUIRES: every slot < columns.size().
  // Cost: one pass over the slots, no allocation, no virtual call per node but columns.devices().
  virtual absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                              SlotMask& feasible) const = 0;

  // Says why Filter clears each slot of `removed`: exactly one Reject per slot that Filter would
  // clear, none for the others. Cold path: called for explanations and for parking a task.
  virtual void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                        RejectionSink& sink) const = 0;
};

}  // namespace berth
