// Which of a node's devices a task gets.
#pragma once

#include <span>
#include <vector>

#include "berth/node_columns.h"
#include "berth/reserve.h"
#include "berth/task_view.h"

namespace berth::plugins {

// The device's kind, model and total memory are such that an empty, healthy one would do.
bool Accepts(const DeviceNeed& need, const DeviceRow& device);

// The device accepts the need and has, now, what it asks of one device.
bool HasRoom(const DeviceNeed& need, const DeviceRow& device);

// Appends to `grants` the need's devices among a node's, in rising position; false, and nothing is
// appended, when there are too few with room.
//
// A share goes to the device with the largest part given away that has room; of equals to the one
// with the most memory given away, then to the first.
//
// Whole devices are the best of at most 64 candidate sets, one grown from each of the first 64
// devices with room by adding, again and again, the device with most fast links into the set (then
// most into what could still be added, then as below). Sets are compared by
//   1. pairs joined by fast links, most first;
//   2. pairs on one known NUMA node, most first;
//   3. fast links cut between the set and devices that stay free, fewest first, so that what is
//   left
//      is still well joined for the next task;
//   4. positions, lowest first.
// (Exact search over all sets would be exponential. Where fast links join devices in islands, as
// NVSwitch, NVLink pairs and sockets do, this finds the best set.)
//
// A function of (need, rows) alone. Cost: O(64 x count x devices).
bool ChooseDevices(const DeviceNeed& need, std::span<const DeviceRow> devices,
                   std::vector<DeviceGrant>& grants);

}  // namespace berth::plugins
