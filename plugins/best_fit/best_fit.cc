#include "best_fit/best_fit.h"

#include <algorithm>

#include "berth/score.h"
#include "common/free_devices.h"
#include "common/policy_args.h"

namespace berth::plugins {
namespace {

class BestFit final : public ScorePlugin {
 public:
  explicit BestFit(const FreeAmountArgs& args) : args_(args) {}

  std::string_view name() const override { return kBestFit; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation | kReadsDevices; }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const auto capacity = columns.capacity(kCpu), allocated = columns.allocated(kCpu);
    const int64_t cpu = task.needs.requests[kCpu];
    const int64_t devices = RequestedMilli(args_.kind, task.needs);
    const int64_t whole = 2 * args_.largest.cpu_milli * args_.largest.device_milli;
    slots.ForEach([&](size_t i, Slot slot) {
      const int64_t cpu_left = std::clamp<int64_t>(int64_t{capacity[slot]} - allocated[slot] - cpu,
                                                   0, args_.largest.cpu_milli);
      const int64_t devices_left =
          std::clamp<int64_t>(CountFree(args_.kind, columns.devices(slot)).free_milli - devices, 0,
                              args_.largest.device_milli);
      const int64_t left =
          cpu_left * args_.largest.device_milli + devices_left * args_.largest.cpu_milli;
      scores[i] = ScoreOfPart(whole - left, whole, args_.resolution);
    });
    return absl::OkStatus();
  }

 private:
  const FreeAmountArgs args_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeBestFit(const PluginArgs& args,
                                                    PluginContext& context) {
  const auto read = ReadFreeAmountArgs(args, context);
  if (!read.ok()) return read.status();
  return std::make_unique<BestFit>(*read);
}

}  // namespace berth::plugins
