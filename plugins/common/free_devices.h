// What a node has free of one kind of devices.
#pragma once

#include <cstdint>
#include <span>

#include "berth/node_columns.h"
#include "berth/task_view.h"

namespace berth::plugins {

// Of the healthy devices of one kind on a node.
struct FreeDevices {
  int32_t devices = 0;     // in all
  int32_t untouched = 0;   // of which nobody has a part
  int64_t free_milli = 0;  // thousandths of devices not given away
};

// Cost: O(devices).
FreeDevices CountFree(KindId kind, std::span<const DeviceRow> devices);

// The need of this kind; null: the task asks for none.
const DeviceNeed* NeedOf(KindId kind, const TaskRequirements& needs);

// Thousandths of devices of the kind that the task takes.
int64_t RequestedMilli(KindId kind, const TaskRequirements& needs);

}  // namespace berth::plugins
