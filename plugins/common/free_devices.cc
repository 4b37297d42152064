#include "common/free_devices.h"

#include <algorithm>

namespace berth::plugins {

FreeDevices CountFree(KindId kind, std::span<const DeviceRow> devices) {
  FreeDevices free;
  for (const DeviceRow& device : devices) {
    if (device.kind != kind || !device.healthy) continue;
    ++free.devices;
    free.untouched += device.allocated_milli == 0;
    free.free_milli += std::max(0, 1000 - device.allocated_milli);
  }
  return free;
}

const DeviceNeed* NeedOf(KindId kind, const TaskRequirements& needs) {
  for (const DeviceNeed& need : needs.devices) {
    if (need.kind == kind) return &need;
  }
  return nullptr;
}

int64_t RequestedMilli(KindId kind, const TaskRequirements& needs) {
  const DeviceNeed* need = NeedOf(kind, needs);
  return need == nullptr ? 0 : int64_t{need->count} * need->share_milli;
}

}  // namespace berth::plugins
