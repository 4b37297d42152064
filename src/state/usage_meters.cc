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

}  // namespace

void UsageMeters::Measure(const NodeTable& nodes, Slot slot, int64_t now_ms, int64_t cpu_time_ms,
                          int64_t memory_bytes) {
  if (meters_.size() <= slot) meters_.resize(slot + 1);
  Meter& meter = meters_[slot];
  if (meter.generation != nodes.generation(slot)) meter = {.generation = nodes.generation(slot)};
  const int64_t passed_ms = now_ms - meter.at_ms;
  const int64_t used_ms = cpu_time_ms - meter.cpu_time_ms;
  const bool is_first = meter.at_ms == kUnknown || passed_ms > forget_after_ms_;
  if (is_first) {
    meter = {.generation = meter.generation, .at_ms = now_ms, .cpu_time_ms = cpu_time_ms};
    return;
  }
  if (passed_ms < kLeastMs) return;
  meter.at_ms = now_ms;
  meter.cpu_time_ms = cpu_time_ms;
  if (used_ms < 0) return;  // the machine has been started again
  const int32_t cpu = PartOf(used_ms * kMilliPerCpu / passed_ms, nodes.capacity(kCpu)[slot]);
  const int32_t memory = PartOf(memory_bytes / kMemoryQuantumBytes, nodes.capacity(kMemory)[slot]);
  meter.last_ppm = std::max(cpu, memory);
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
      nodes.SetUsage(slot, kUnknown);
      continue;
    }
    any = true;
    if (meter.last_ppm == kUnknown) {
      nodes.SetUsage(slot, kUnknown);
      continue;
    }
    meter.decayed_ppm = meter.decayed_ppm == kUnknown
                            ? meter.last_ppm
                            : meter.decayed_ppm + (meter.last_ppm - meter.decayed_ppm) / 4;
    const int32_t known = nodes.usage()[slot];
    if (known != kUnknown && std::abs(meter.decayed_ppm - known * kStep) <= kStep / 2 + kSurely) {
      continue;
    }
    nodes.SetUsage(slot, (meter.decayed_ppm + kStep / 2) / kStep);
  }
  return any;
}

}  // namespace berth::state
