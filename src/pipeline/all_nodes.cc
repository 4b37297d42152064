#include "pipeline/all_nodes.h"

#include "base/status_macros.h"
#include "engine/device_choice.h"
#include "engine/run_plugins.h"

namespace berth::pipeline {

absl::Status FilterAll(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                       NodeMask& feasible) {
  BERTH_ASSIGN_OR_RETURN(const bool passes_all, engine::PassesAll(filter, task.needs));
  if (passes_all) return absl::OkStatus();
  SlotMask mask(SlotSpan::All(columns.size()), feasible.mutable_words());
  return engine::RunFilter(filter, task, columns, mask);
}

absl::Status FilterAll(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                       NodeMask& feasible) {
  BERTH_ASSIGN_OR_RETURN(const auto refusal, engine::RefusedBy(profile.placing(), task.needs));
  if (refusal) {
    feasible = NodeMask(columns.size());
    return absl::OkStatus();
  }
  for (const FilterPlugin* filter : profile.filters()) {
    if (!feasible.Any()) return absl::OkStatus();
    BERTH_RETURN_IF_ERROR(FilterAll(*filter, task, columns, feasible));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> ScoreAll(const Profile& profile, const TaskView& task,
                                              const NodeColumns& columns,
                                              const NodeMask& feasible) {
  std::vector<int32_t> scratch(columns.size());
  std::vector<int32_t> totals(columns.size(), 0);
  std::vector<engine::DeviceScorer> scorers;
  for (const engine::WeightedScore& score : profile.scores()) {
    BERTH_ASSIGN_OR_RETURN(const bool scores_sets, engine::ScoresSets(score, task.needs));
    if (scores_sets) scorers.push_back({score.of_devices, score.weight});
    BERTH_ASSIGN_OR_RETURN(const bool scores_nodes, engine::ScoresNodes(score, task.needs));
    if (!scores_nodes) continue;
    if (score.plugin->scope() == Scope::kCluster) {
      std::vector<Slot> fit;
      feasible.ForEach([&](Slot slot) { fit.push_back(slot); });
      std::vector<int32_t> scores(fit.size());
      std::vector<int32_t> of_fit(fit.size(), 0);
      BERTH_RETURN_IF_ERROR(
          engine::AddScore(score, task, columns, SlotSpan::List(fit), scores, of_fit));
      for (size_t i = 0; i < fit.size(); ++i) totals[fit[i]] += of_fit[i];
      continue;
    }
    BERTH_RETURN_IF_ERROR(
        engine::AddScore(score, task, columns, SlotSpan::All(columns.size()), scratch, totals));
  }
  if (scorers.empty()) return totals;
  engine::DeviceChoice devices;
  for (Slot slot = 0; slot < columns.size(); ++slot) {
    BERTH_RETURN_IF_ERROR(devices.Choose(scorers, task, columns, slot));
    totals[slot] += devices.total();
  }
  return totals;
}

}  // namespace berth::pipeline
