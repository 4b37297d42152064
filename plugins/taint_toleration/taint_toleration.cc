#include "taint_toleration/taint_toleration.h"

#include <algorithm>

#include "berth/filter.h"
#include "berth/score.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

// Calls f(taint) for each taint that the task does not tolerate and that keeps tasks off (`hard`),
// or would rather (not `hard`), in order of number.
template <typename F>
void ForEachUntolerated(const TaskRequirements& needs, const NodeColumns& columns, bool hard,
                        F&& f) {
  for (uint32_t i = 0; i < columns.taint_count(); ++i) {
    const TaintId taint{i};
    const bool is_hard = columns.effect(taint) != TaintEffect::kPreferNoSchedule;
    if (is_hard == hard && !columns.Tolerates(needs.tolerations, taint)) f(taint);
  }
}

class TaintToleration final : public FilterPlugin, public ScorePlugin {
 public:
  std::string_view name() const override { return kTaintToleration; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic; }

  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    ForEachUntolerated(task.needs, columns, /*hard=*/true,
                       [&](TaintId taint) { feasible.AndNot(columns.with_taint(taint)); });
    return absl::OkStatus();
  }

  // Names the first of a node's taints.
  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    NodeMask left = removed;
    ForEachUntolerated(task.needs, columns, /*hard=*/true, [&](TaintId taint) {
      NodeMask tainted = left;
      tainted.And(columns.with_taint(taint));
      tainted.ForEach([&](Slot slot) {
        sink.Reject(slot, Reason::kUntoleratedTaint, taint.value, 0, 0, 0, /*permanent=*/true);
      });
      left.AndNot(tainted);
    });
  }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    std::fill(scores.begin(), scores.end(), kMaxScore);
    ForEachUntolerated(task.needs, columns, /*hard=*/false, [&](TaintId taint) {
      const NodeMask& tainted = columns.with_taint(taint);
      slots.ForEach([&](size_t i, Slot slot) {
        if (tainted.Test(slot)) scores[i] /= 4;
      });
    });
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeTaintToleration(const PluginArgs& args,
                                                            PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<TaintToleration>();
}

}  // namespace berth::plugins
