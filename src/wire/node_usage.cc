#include "wire/node_usage.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "wire/names.h"

namespace berth::wire {
namespace {

v1::Pressure ToProto(const state::Pressure& pressure) {
  v1::Pressure out;
  out.set_some_milli(pressure.some_milli);
  out.set_full_milli(pressure.full_milli);
  return out;
}

state::Pressure FromProto(const v1::Pressure& pressure) {
  return {.some_milli = std::clamp(pressure.some_milli(), 0, 1000),
          .full_milli = std::clamp(pressure.full_milli(), 0, 1000)};
}

std::string Name(const std::string& name) {
  return std::string(base::CutUtf8(name, kMostValueBytes));
}

int64_t Amount(int64_t amount) { return std::max<int64_t>(0, amount); }

}  // namespace

v1::NodeUsage ToProto(const state::NodeUsage& usage) {
  v1::NodeUsage out;
  if (usage.cpu_pressure) *out.mutable_cpu_pressure() = ToProto(*usage.cpu_pressure);
  if (usage.memory_pressure) *out.mutable_memory_pressure() = ToProto(*usage.memory_pressure);
  if (usage.io_pressure) *out.mutable_io_pressure() = ToProto(*usage.io_pressure);
  if (usage.scratch) {
    out.mutable_scratch()->set_size_bytes(usage.scratch->size_bytes);
    out.mutable_scratch()->set_free_bytes(usage.scratch->free_bytes);
  }
  if (usage.disks) {
    for (const state::DiskUsage& disk : *usage.disks) {
      v1::DiskUsage& added = *out.mutable_disks()->add_disks();
      added.set_name(disk.name);
      added.set_read_bytes(disk.read_bytes);
      added.set_written_bytes(disk.written_bytes);
      added.set_busy_ms(disk.busy_ms);
    }
  }
  if (usage.interfaces) {
    for (const state::InterfaceUsage& interface : *usage.interfaces) {
      v1::InterfaceUsage& added = *out.mutable_interfaces()->add_interfaces();
      added.set_name(interface.name);
      added.set_received_bytes(interface.received_bytes);
      added.set_sent_bytes(interface.sent_bytes);
    }
  }
  if (usage.devices) {
    for (const state::DeviceUsage& device : *usage.devices) {
      v1::DeviceUsage& added = *out.mutable_devices()->add_devices();
      added.set_id(device.id);
      if (device.utilisation_percent >= 0) {
        added.set_utilisation_percent(device.utilisation_percent);
      }
      added.set_memory_used_bytes(device.memory_used_bytes);
      if (device.power_milliwatts >= 0) added.set_power_milliwatts(device.power_milliwatts);
      if (device.temperature_celsius >= 0) {
        added.set_temperature_celsius(device.temperature_celsius);
      }
      added.set_uncorrected_errors(device.uncorrected_errors);
    }
  }
  return out;
}

state::NodeUsage FromProto(const v1::NodeUsage& usage) {
  state::NodeUsage out;
  if (usage.has_cpu_pressure()) out.cpu_pressure = FromProto(usage.cpu_pressure());
  if (usage.has_memory_pressure()) out.memory_pressure = FromProto(usage.memory_pressure());
  if (usage.has_io_pressure()) out.io_pressure = FromProto(usage.io_pressure());
  if (usage.has_scratch()) {
    out.scratch = {.size_bytes = Amount(usage.scratch().size_bytes()),
                   .free_bytes = Amount(usage.scratch().free_bytes())};
  }
  if (usage.has_disks()) {
    auto& disks = out.disks.emplace();
    for (int i = 0; i < std::min(usage.disks().disks_size(), kMostParts); ++i) {
      const v1::DiskUsage& disk = usage.disks().disks(i);
      disks.push_back({.name = Name(disk.name()),
                       .read_bytes = Amount(disk.read_bytes()),
                       .written_bytes = Amount(disk.written_bytes()),
                       .busy_ms = Amount(disk.busy_ms())});
    }
  }
  if (usage.has_interfaces()) {
    auto& interfaces = out.interfaces.emplace();
    for (int i = 0; i < std::min(usage.interfaces().interfaces_size(), kMostParts); ++i) {
      const v1::InterfaceUsage& interface = usage.interfaces().interfaces(i);
      interfaces.push_back({.name = Name(interface.name()),
                            .received_bytes = Amount(interface.received_bytes()),
                            .sent_bytes = Amount(interface.sent_bytes())});
    }
  }
  if (usage.has_devices()) {
    auto& devices = out.devices.emplace();
    for (int i = 0; i < std::min(usage.devices().devices_size(), kMostParts); ++i) {
      const v1::DeviceUsage& device = usage.devices().devices(i);
      state::DeviceUsage read{.id = Name(device.id())};
      if (device.has_utilisation_percent()) {
        read.utilisation_percent = std::clamp(device.utilisation_percent(), 0, 100);
      }
      read.memory_used_bytes = Amount(device.memory_used_bytes());
      if (device.has_power_milliwatts()) {
        read.power_milliwatts = std::max(0, device.power_milliwatts());
      }
      if (device.has_temperature_celsius()) {
        read.temperature_celsius = std::max(0, device.temperature_celsius());
      }
      read.uncorrected_errors = Amount(device.uncorrected_errors());
      devices.push_back(std::move(read));
    }
  }
  return out;
}

}  // namespace berth::wire
