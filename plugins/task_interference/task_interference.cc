#include "task_interference/task_interference.h"

#include <algorithm>
#include <cstdint>

#include "berth/score.h"
#include "common/args_reader.h"
#include "common/exact_fraction.h"

namespace berth::plugins {
namespace {

class TaskInterference final : public ScorePlugin {
 public:
  explicit TaskInterference(int32_t crowd) : crowd_(crowd) {}

  std::string_view name() const override { return kTaskInterference; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation; }

  bool Skips(const TaskRequirements& needs) const override {
    return !needs.bound_by || *needs.bound_by == ComputationClass::kGpuBound;
  }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    if (Skips(task.needs)) {
      std::fill(scores.begin(), scores.end(), 0);
      return absl::OkStatus();
    }
    const ComputationClass bound_by = *task.needs.bound_by;
    if (bound_by == ComputationClass::kCpuBound || bound_by == ComputationClass::kMemoryBound) {
      const std::span<const int32_t> taken = columns.class_cpu(bound_by);
      const std::span<const int32_t> capacity = columns.capacity(kCpu);
      const std::span<const float> inverse = columns.inverse_capacity(kCpu);
      slots.ForEach([&](size_t i, Slot slot) {
        scores[i] = ScorePart(capacity[slot] - taken[slot], capacity[slot], inverse[slot]);
      });
      return absl::OkStatus();
    }
    const std::span<const int32_t> tasks = columns.class_tasks(bound_by);
    slots.ForEach([&](size_t i, Slot slot) {
      scores[i] = (crowd_ - std::min(tasks[slot], crowd_)) * (kMaxScore / crowd_);
    });
    return absl::OkStatus();
  }

 private:
  const int32_t crowd_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeTaskInterference(const PluginArgs& args,
                                                             PluginContext& context) {
  (void)context;
  const auto reader = ArgsReader::Open(args, "", {"crowd"});
  if (!reader.ok()) return reader.status();
  const auto crowd = reader->IntegerOr("crowd", 2, 64, 8);
  if (!crowd.ok()) return crowd.status();
  return std::make_unique<TaskInterference>(static_cast<int32_t>(*crowd));
}

}  // namespace berth::plugins
