#include "tests/support/full_scan.h"

#include <vector>

#include "base/status_macros.h"

namespace berth::testing {

absl::StatusOr<engine::Placement> PlaceByFullScan(const engine::PluginSet& plugins,
                                                  const TaskView& task,
                                                  const NodeColumns& columns) {
  const SlotSpan all = SlotSpan::All(columns.size());
  NodeMask feasible = columns.live();
  for (const FilterPlugin* filter : plugins.filters) {
    SlotMask mask(all, feasible.mutable_words());
    BERTH_RETURN_IF_ERROR(filter->Filter(task, columns, mask));
  }
  std::vector<std::vector<int32_t>> scores;
  for (const engine::WeightedScore& score : plugins.scores) {
    scores.emplace_back(columns.size(), 0);
    if (score.plugin->Skips(task.needs)) continue;
    BERTH_RETURN_IF_ERROR(score.plugin->Score(task, columns, all, scores.back()));
  }

  engine::Placement placement;
  placement.nodes_feasible = feasible.Count();
  const auto total = [&](Slot slot) {
    int64_t sum = 0;
    for (size_t i = 0; i < scores.size(); ++i) {
      sum += int64_t{scores[i][slot]} * plugins.scores[i].weight;
    }
    return sum;
  };
  const auto better = [&](Slot a, Slot b) {
    if (b == kNoSlot || total(a) != total(b)) return b == kNoSlot || total(a) > total(b);
    return columns.rank()[a] < columns.rank()[b];
  };
  feasible.ForEach([&](Slot slot) {
    if (better(slot, placement.slot)) {
      placement.runner_up = placement.slot;
      placement.slot = slot;
    } else if (better(slot, placement.runner_up)) {
      placement.runner_up = slot;
    }
  });
  if (placement.slot == kNoSlot) return placement;
  placement.total = total(placement.slot);
  if (placement.runner_up != kNoSlot) placement.runner_up_total = total(placement.runner_up);
  for (size_t i = 0; i < scores.size(); ++i) {
    placement.plugin_scores[i] = scores[i][placement.slot];
  }
  for (const ReservePlugin* reserve : plugins.reserves) {
    BERTH_RETURN_IF_ERROR(reserve->Reserve(task, columns, placement.slot, placement.reservation));
  }
  return placement;
}

}  // namespace berth::testing
