// How a node's parts are used, as its agent says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace berth::state {

// Share of the last ten seconds in which processes waited, in thousandths.
struct Pressure {
  int32_t some_milli = 0;
  int32_t full_milli = 0;

  bool operator==(const Pressure&) const = default;
};

struct StorageUsage {
  int64_t size_bytes = 0;
  int64_t free_bytes = 0;

  bool operator==(const StorageUsage&) const = default;
};

struct DiskUsage {
  std::string name;
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
  int64_t busy_ms = 0;

  bool operator==(const DiskUsage&) const = default;
};

struct InterfaceUsage {
  std::string name;
  int64_t received_bytes = 0;
  int64_t sent_bytes = 0;

  bool operator==(const InterfaceUsage&) const = default;
};

struct DeviceUsage {
  std::string id;
  int32_t utilisation_percent = -1;  // -1: not known
  int64_t memory_used_bytes = 0;
  int32_t power_milliwatts = -1;     // -1: not known
  int32_t temperature_celsius = -1;  // -1: not known
  int64_t uncorrected_errors = 0;

  bool operator==(const DeviceUsage&) const = default;
};

// Absent: not known, or in a heartbeat: as before.
struct NodeUsage {
  std::optional<Pressure> cpu_pressure;
  std::optional<Pressure> memory_pressure;
  std::optional<Pressure> io_pressure;
  std::optional<StorageUsage> scratch;
  std::optional<std::vector<DiskUsage>> disks;
  std::optional<std::vector<InterfaceUsage>> interfaces;
  std::optional<std::vector<DeviceUsage>> devices;

  bool operator==(const NodeUsage&) const = default;

  // Takes over what `newer` has.
  void Update(NodeUsage newer) {
    const auto take = [](auto& mine, auto& other) {
      if (other) mine = std::move(other);
    };
    take(cpu_pressure, newer.cpu_pressure);
    take(memory_pressure, newer.memory_pressure);
    take(io_pressure, newer.io_pressure);
    take(scratch, newer.scratch);
    take(disks, newer.disks);
    take(interfaces, newer.interfaces);
    take(devices, newer.devices);
  }
};

}  // namespace berth::state
