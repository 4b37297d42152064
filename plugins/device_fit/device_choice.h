// Which of a node's devices a task gets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "berth/device_sets.h"
#include "berth/node_columns.h"
#include "berth/reserve.h"
#include "berth/task_view.h"

namespace berth::plugins {

// Appends to `grants` the need's devices among a node's, in rising position: the first candidate
// set (berth/device_sets.h). False, and nothing is appended, when there are too few with room.
//
// A function of (need, rows) alone. Cost: O(64 x count x devices).
bool ChooseDevices(const DeviceNeed& need, std::span<const DeviceRow> devices,
                   std::vector<DeviceGrant>& grants);

// The same with the devices that were chosen for it. False when one of them has no room.
// REQUIRES: chosen.size() == need.count.
bool TakeDevices(const DeviceNeed& need, std::span<const DeviceRow> devices,
                 std::span<const uint16_t> chosen, std::vector<DeviceGrant>& grants);

}  // namespace berth::plugins
