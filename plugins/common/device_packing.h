// How full a node's devices would be with a task on it.
#pragma once

#include <cstdint>

#include "berth/node_columns.h"
#include "berth/task_view.h"

namespace berth::plugins {

// kMaxScore times the part of the healthy devices, of the kinds that the task asks for, that would
// be given away with the task on the node; rounded down. 0 where the node has none of them.
//
// REQUIRES: slot < columns.size(). Cost: O(devices of the node x kinds asked for).
int32_t DevicesInUse(const TaskRequirements& needs, const NodeColumns& columns, Slot slot);

}  // namespace berth::plugins
