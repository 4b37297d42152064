#include "class_load/class_load.h"

#include <algorithm>

#include "berth/score.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

class ClassLoad final : public ScorePlugin {
 public:
  std::string_view name() const override { return kClassLoad; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsUsage; }

  bool Skips(const TaskRequirements& needs) const override { return !needs.bound_by; }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    if (!task.needs.bound_by) {
      std::fill(scores.begin(), scores.end(), 0);
      return absl::OkStatus();
    }
    const std::span<const int32_t> usage = columns.class_usage(*task.needs.bound_by);
    slots.ForEach([&](size_t i, Slot slot) {
      const int32_t used = usage[slot];
      scores[i] = used < 0 ? kMaxScore / 2 : (kUsageSteps - used) * (kMaxScore / kUsageSteps);
    });
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeClassLoad(const PluginArgs& args,
                                                      PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<ClassLoad>();
}

}  // namespace berth::plugins
