#include "common/device_packing.h"

#include <algorithm>

#include "berth/resources.h"

namespace berth::plugins {

int32_t DevicesInUse(const TaskRequirements& needs, const NodeColumns& columns, Slot slot) {
  int64_t used = 0;
  int64_t total = 0;
  for (const DeviceNeed& need : needs.devices) {
    used += int64_t{need.count} * need.share_milli;
    for (const DeviceRow& device : columns.devices(slot)) {
      if (device.kind != need.kind || !device.healthy) continue;
      used += device.allocated_milli;
      total += 1000;
    }
  }
  if (total == 0) return 0;
  return static_cast<int32_t>(kMaxScore * std::min(used, total) / total);
}

}  // namespace berth::plugins
