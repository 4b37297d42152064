#include "dot_product/dot_product.h"

#include <algorithm>

#include "berth/score.h"
#include "common/free_devices.h"
#include "common/policy_args.h"

namespace berth::plugins {
namespace {

class DotProduct final : public ScorePlugin {
 public:
  explicit DotProduct(const FreeAmountArgs& args) : args_(args) {}

  std::string_view name() const override { return kDotProduct; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation | kReadsDevices; }

  // In parts of 2^40: a product of two amounts in parts of 2^20 of the largest node's.
  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const auto capacity = columns.capacity(kCpu), allocated = columns.allocated(kCpu);
    const int64_t cpu = Part(task.needs.requests[kCpu], args_.largest.cpu_milli);
    const int64_t devices =
        Part(RequestedMilli(args_.kind, task.needs), args_.largest.device_milli);
    slots.ForEach([&](size_t i, Slot slot) {
      const int64_t free_cpu =
          Part(int64_t{capacity[slot]} - allocated[slot], args_.largest.cpu_milli);
      const int64_t free_devices =
          devices == 0 ? 0
                       : Part(CountFree(args_.kind, columns.devices(slot)).free_milli,
                              args_.largest.device_milli);
      const int64_t product = free_cpu * cpu + free_devices * devices;
      scores[i] = ScoreOfPart(2 * kOne * kOne - product, 2 * kOne * kOne, args_.resolution);
    });
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kOne = int64_t{1} << 20;
  static int64_t Part(int64_t amount, int64_t largest) {
    return kOne * std::clamp<int64_t>(amount, 0, largest) / largest;
  }

  const FreeAmountArgs args_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeDotProduct(const PluginArgs& args,
                                                       PluginContext& context) {
  const auto read = ReadFreeAmountArgs(args, context);
  if (!read.ok()) return read.status();
  return std::make_unique<DotProduct>(*read);
}

}  // namespace berth::plugins
