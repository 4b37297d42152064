#include "dot_product/dot_product.h"

#include <algorithm>

#include "berth/score.h"
#include "common/free_devices.h"
#include "common/policy_args.h"

namespace berth::plugins {
namespace {

class DotProduct final : public ScorePlugin {
 public:
  DotProduct(KindId kind, const LargestNode& largest, Resolution resolution)
      : kind_(kind), largest_(largest), resolution_(resolution) {}

  std::string_view name() const override { return kDotProduct; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation | kReadsDevices; }

  // In parts of 2^40: a product of two amounts in parts of 2^20 of the largest node's.
  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const auto capacity = columns.capacity(kCpu), allocated = columns.allocated(kCpu);
    const int64_t cpu = Part(task.needs.requests[kCpu], largest_.cpu_milli);
    const int64_t devices = Part(RequestedMilli(kind_, task.needs), largest_.device_milli);
    slots.ForEach([&](size_t i, Slot slot) {
      const int64_t free_cpu = Part(int64_t{capacity[slot]} - allocated[slot], largest_.cpu_milli);
      const int64_t free_devices =
          devices == 0
              ? 0
              : Part(CountFree(kind_, columns.devices(slot)).free_milli, largest_.device_milli);
      const int64_t product = free_cpu * cpu + free_devices * devices;
      scores[i] = ScoreOfPart(2 * kOne * kOne - product, 2 * kOne * kOne, resolution_);
    });
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kOne = int64_t{1} << 20;
  static int64_t Part(int64_t amount, int64_t largest) {
    return kOne * std::clamp<int64_t>(amount, 0, largest) / largest;
  }

  const KindId kind_;
  const LargestNode largest_;
  const Resolution resolution_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeDotProduct(const PluginArgs& args,
                                                       PluginContext& context) {
  const auto reader = ArgsReader::Open(args, "", {"kind", "largestNode", "resolution"});
  if (!reader.ok()) return reader.status();
  const auto kind = ReadDeviceKind(*reader, context);
  if (!kind.ok()) return kind.status();
  const auto largest = ReadLargestNode(*reader);
  if (!largest.ok()) return largest.status();
  const auto resolution = ReadResolution(*reader);
  if (!resolution.ok()) return resolution.status();
  return std::make_unique<DotProduct>(*kind, *largest, *resolution);
}

}  // namespace berth::plugins
