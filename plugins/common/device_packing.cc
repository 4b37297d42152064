#include "common/device_packing.h"

#include <span>

#include "berth/resources.h"
#include "common/exact_fraction.h"

namespace berth::plugins {

int32_t DevicesInUse(const TaskRequirements& needs, const NodeColumns& columns, Slot slot) {
  const std::span<const DeviceRow> devices = columns.devices(slot);
  // Thousandths of devices: far below kMaxQuanta, as a node has at most 2^16 of them.
  int32_t used = 0;
  int32_t total = 0;
  for (const DeviceNeed& need : needs.devices) {
    used += need.count * need.share_milli;
    for (const DeviceRow& device : devices) {
      const bool counts = device.kind == need.kind && device.healthy;
      used += counts ? device.allocated_milli : 0;
      total += counts ? 1000 : 0;
    }
  }
  return ScorePart(used, total);
}

}  // namespace berth::plugins
