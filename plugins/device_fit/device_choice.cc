#include "device_fit/device_choice.h"

#include <algorithm>

namespace berth::plugins {

bool ChooseDevices(const DeviceNeed& need, std::span<const DeviceRow> devices,
                   std::vector<DeviceGrant>& grants) {
  DeviceSets sets;
  sets.Find(need, devices);
  return sets.size() > 0 && TakeDevices(need, devices, sets[0], grants);
}

bool TakeDevices(const DeviceNeed& need, std::span<const DeviceRow> devices,
                 std::span<const uint16_t> chosen, std::vector<DeviceGrant>& grants) {
  const bool have_room = std::all_of(chosen.begin(), chosen.end(), [&](uint16_t position) {
    return position < devices.size() && HasRoom(need, devices[position]);
  });
  if (!have_room) return false;
  // Of a whole device, all memory is the task's without being counted.
  const int32_t memory_mib = need.share_milli < 1000 ? need.memory_mib : 0;
  for (const uint16_t position : chosen) {
    grants.push_back({position, static_cast<int16_t>(need.share_milli), memory_mib});
  }
  return true;
}

}  // namespace berth::plugins
