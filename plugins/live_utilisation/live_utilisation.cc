#include "live_utilisation/live_utilisation.h"

#include "berth/score.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

constexpr int32_t kStepScore = kMaxScore / kUsageSteps;
static_assert(kStepScore * kUsageSteps == kMaxScore);

class LiveUtilisation final : public ScorePlugin {
 public:
  std::string_view name() const override { return kLiveUtilisation; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsUsage; }

  absl::Status Score(const TaskView&, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const std::span<const int32_t> usage = columns.usage();
    slots.ForEach([&](size_t i, Slot slot) {
      const int32_t used = usage[slot];
      scores[i] = used < 0 ? kMaxScore / 2 : kMaxScore - used * kStepScore;
    });
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeLiveUtilisation(const PluginArgs& args,
                                                            PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<LiveUtilisation>();
}

}  // namespace berth::plugins
