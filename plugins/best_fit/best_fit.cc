#include "best_fit/best_fit.h"

#include <algorithm>

#include "berth/score.h"
#include "common/free_devices.h"
#include "common/policy_args.h"

namespace berth::plugins {
namespace {

class BestFit final : public ScorePlugin {
 public:
  BestFit(KindId kind, const LargestNode& largest, Resolution resolution)
      : kind_(kind), largest_(largest), resolution_(resolution) {}

  std::string_view name() const override { return kBestFit; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation | kReadsDevices; }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const auto capacity = columns.capacity(kCpu), allocated = columns.allocated(kCpu);
    const int64_t cpu = task.needs.requests[kCpu];
    const int64_t devices = RequestedMilli(kind_, task.needs);
    const int64_t whole = 2 * largest_.cpu_milli * largest_.device_milli;
    slots.ForEach([&](size_t i, Slot slot) {
      const int64_t cpu_left = std::clamp<int64_t>(int64_t{capacity[slot]} - allocated[slot] - cpu,
                                                   0, largest_.cpu_milli);
      const int64_t devices_left = std::clamp<int64_t>(
          CountFree(kind_, columns.devices(slot)).free_milli - devices, 0, largest_.device_milli);
      const int64_t left = cpu_left * largest_.device_milli + devices_left * largest_.cpu_milli;
      scores[i] = ScoreOfPart(whole - left, whole, resolution_);
    });
    return absl::OkStatus();
  }

 private:
  const KindId kind_;
  const LargestNode largest_;
  const Resolution resolution_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeBestFit(const PluginArgs& args,
                                                    PluginContext& context) {
  const auto reader = ArgsReader::Open(args, "", {"kind", "largestNode", "resolution"});
  if (!reader.ok()) return reader.status();
  const auto kind = ReadDeviceKind(*reader, context);
  if (!kind.ok()) return kind.status();
  const auto largest = ReadLargestNode(*reader);
  if (!largest.ok()) return largest.status();
  const auto resolution = ReadResolution(*reader);
  if (!resolution.ok()) return resolution.status();
  return std::make_unique<BestFit>(*kind, *largest, *resolution);
}

}  // namespace berth::plugins
