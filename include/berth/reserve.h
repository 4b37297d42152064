// Reserve: turns "this node" into "these parts of this node".
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "berth/node_columns.h"
#include "berth/plugin.h"
#include "berth/task_view.h"

namespace berth {

// A device of one node that a task gets, or a share of it.
struct DeviceGrant {
  uint16_t device = 0;      // position among the node's devices
  int16_t share_milli = 0;  // 1 to 1000; 1000: the whole device
  int32_t memory_mib = 0;   // held on a shared device; 0 of a whole one

  bool operator==(const DeviceGrant&) const = default;
};

// What a task takes from a node, besides its countable requests.
struct Reservation {
  std::vector<DeviceGrant> devices;

  bool operator==(const Reservation&) const = default;
};

// Chooses, on the node that won, the parts that the task gets.
//
// Threading: as FilterPlugin.
class ReservePlugin : public virtual Plugin {
 public:
  // Adds to `reservation` what `task` takes on `slot`.
  //
  // REQUIRES: `slot` passed every filter in this very state; task.chosen_devices are candidate sets
  // of it. ENSURES: deterministic in (task's requirements, chosen devices, the node's row).
  // Errors: non-OK means that nothing can be reserved; the placement is given up and the task goes
  // back to the queue with a back-off.
  virtual absl::Status Reserve(const TaskView& task, const NodeColumns& columns, Slot slot,
                               Reservation& reservation) const = 0;
};

}  // namespace berth
