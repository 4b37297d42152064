#include "state/usage_meters.h"

#include <algorithm>
#include <cstdlib>

#include "berth/resources.h"

namespace berth::state {
namespace {

constexpr int32_t kAll = 1'000'000;  // millionths
constexpr int32_t kStep = kAll / kUsageSteps;
// A step is left when the part is nearer to another by this much more than to it.
constexpr int32_t kSurely = kStep / 4;
// CPU time is counted in ticks of a hundredth of a second: over less than this they say little.
constexpr int64_t kLeastMs = 1000;

int32_t PartOf(int64_t used, int64_t all) {
  if (all <= 0) return 0;
  return static_cast<int32_t>(std::clamp<int64_t>(used, 0, all) * kAll / all);
}

// How busy the busiest disk was since `before`, which becomes what is known now; -1: of no disk
// both are known.
int32_t BusiestDisk(const NodeUsage& parts, int64_t passed_ms,
                    std::vector<std::pair<std::string, int64_t>>& before) {
  int32_t busiest = -1;
  std::vector<std::pair<std::string, int64_t>> now;
  if (parts.disks) {
    for (const DiskUsage& disk : *parts.disks) {
      now.emplace_back(disk.name, disk.busy_ms);
      const auto known = std::find_if(before.begin(), before.end(),
                                      [&](const auto& one) { return one.first == disk.name; });
      if (known == before.end() || disk.busy_ms < known->second) continue;
      busiest = std::max(busiest, PartOf(disk.busy_ms - known->second, passed_ms));
    }
  }
  before = std::move(now);
  return busiest;
}

int64_t NetworkBytes(const NodeUsage& parts) {
  if (!parts.interfaces) return -1;
  // What is received and what is sent have the bandwidth to themselves each.
  int64_t received = 0, sent = 0;
  for (const InterfaceUsage& interface : *parts.interfaces) {
    received += interface.received_bytes;
    sent += interface.sent_bytes;
  }
  return std::max(received, sent);
}

int32_t Accelerators(const NodeUsage& parts) {
  int64_t sum = 0, count = 0;
  if (parts.devices) {
    for (const DeviceUsage& device : *parts.devices) {
      if (device.utilisation_percent < 0) continue;
      sum += device.utilisation_percent;
      ++count;
    }
  }
  return count == 0 ? -1 : PartOf(sum, 100 * count);
}

}  // namespace

void UsageMeters::Measure(const NodeTable& nodes, Slot slot, int64_t now_ms, int64_t cpu_time_ms,
                          int64_t memory_bytes, const NodeUsage& parts) {
  if (meters_.size() <= slot) meters_.resize(slot + 1);
  Meter& meter = meters_[slot];
  if (meter.generation != nodes.generation(slot)) meter = {.generation = nodes.generation(slot)};
  const int64_t passed_ms = now_ms - meter.at_ms;
  const int64_t used_ms = cpu_time_ms - meter.cpu_time_ms;
  const int64_t network_bytes = NetworkBytes(parts);
  const bool is_first = meter.at_ms == kUnknown || passed_ms > forget_after_ms_;
  if (is_first) {
    meter = {.generation = meter.generation,
             .at_ms = now_ms,
             .cpu_time_ms = cpu_time_ms,
             .network_bytes = network_bytes};
    BusiestDisk(parts, 0, meter.disks);
    return;
  }
  if (passed_ms < kLeastMs) return;
  meter.at_ms = now_ms;
  meter.cpu_time_ms = cpu_time_ms;
  const int64_t sent_bytes = network_bytes - meter.network_bytes;
  const bool knows_network = network_bytes >= 0 && meter.network_bytes >= 0 && sent_bytes >= 0;
  meter.network_bytes = network_bytes;
  const int32_t disk = BusiestDisk(parts, passed_ms, meter.disks);
  if (used_ms < 0) return;  // the machine has been started again
  const auto set = [&](ComputationClass bound_by, int32_t ppm) {
    meter.by_class[static_cast<size_t>(bound_by)].last_ppm = ppm;
  };
  const int32_t cpu = PartOf(used_ms * kMilliPerCpu / passed_ms, nodes.capacity(kCpu)[slot]);
  const int32_t memory = PartOf(memory_bytes / kMemoryQuantumBytes, nodes.capacity(kMemory)[slot]);
  const int64_t bandwidth = nodes.capacity(kBandwidth)[slot];
  meter.overall.last_ppm = std::max(cpu, memory);
  set(ComputationClass::kCpuBound, cpu);
  set(ComputationClass::kMemoryBound, memory);
  set(ComputationClass::kIoBound, disk);
  set(ComputationClass::kNetworkBound,
      knows_network && bandwidth > 0
          ? PartOf(sent_bytes * 8 * 1000 / passed_ms / kBandwidthQuantumBitsPerSecond, bandwidth)
          : kUnknown);
  set(ComputationClass::kGpuBound, Accelerators(parts));
}

int32_t UsageMeters::StepsOf(Part& part, int32_t told) {
  if (part.last_ppm == kUnknown) {
    part.decayed_ppm = kUnknown;
    return kUnknown;
  }
  part.decayed_ppm = part.decayed_ppm == kUnknown
                         ? part.last_ppm
                         : part.decayed_ppm + (part.last_ppm - part.decayed_ppm) / 4;
  if (told != kUnknown && std::abs(part.decayed_ppm - told * kStep) <= kStep / 2 + kSurely) {
    return told;
  }
  return (part.decayed_ppm + kStep / 2) / kStep;
}

void UsageMeters::Tell(NodeTable& nodes, Slot slot, Meter& meter) {
  nodes.SetUsage(slot, StepsOf(meter.overall, nodes.usage()[slot]));
  for (size_t c = 0; c < kComputationClasses; ++c) {
    const auto bound_by = static_cast<ComputationClass>(c);
    nodes.SetClassUsage(slot, bound_by,
                        StepsOf(meter.by_class[c], nodes.class_usage(bound_by)[slot]));
  }
}

void UsageMeters::TellNothing(NodeTable& nodes, Slot slot) {
  nodes.SetUsage(slot, kUnknown);
  for (size_t c = 0; c < kComputationClasses; ++c) {
    nodes.SetClassUsage(slot, static_cast<ComputationClass>(c), kUnknown);
  }
}

bool UsageMeters::Step(NodeTable& nodes, int64_t now_ms) {
  bool any = false;
  for (Slot slot = 0; slot < meters_.size(); ++slot) {
    Meter& meter = meters_[slot];
    if (meter.at_ms == kUnknown) continue;
    const bool is_gone = !nodes.Holds(slot) || meter.generation != nodes.generation(slot);
    if (is_gone) {  // the table has forgotten it already
      meter = {};
      continue;
    }
    if (now_ms - meter.at_ms > forget_after_ms_) {
      meter = {.generation = meter.generation};
      TellNothing(nodes, slot);
      continue;
    }
    any = true;
    Tell(nodes, slot, meter);
  }
  return any;
}

}  // namespace berth::state
