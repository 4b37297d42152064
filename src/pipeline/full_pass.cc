#include "pipeline/full_pass.h"

#include <optional>
#include <vector>

#include "base/status_macros.h"
#include "engine/tie_break.h"
#include "pipeline/all_nodes.h"
#include "pipeline/eligible_domains.h"

namespace berth::pipeline {

absl::StatusOr<BestNode> LookAtAll(const Profile& profile, const TaskView& asked,
                                   const state::NodeTable& table) {
  BERTH_ASSIGN_OR_RETURN(const std::optional<DomainsByScan> domains,
                         DomainsByScan::Find(profile, asked, table));
  TaskView task = asked;
  if (domains) task.eligible = &*domains;
  NodeMask feasible = table.live();
  BERTH_RETURN_IF_ERROR(FilterAll(profile, task, table, feasible));
  BestNode best;
  if (!feasible.Any()) return best;
  BERTH_ASSIGN_OR_RETURN(const std::vector<int32_t> totals,
                         ScoreAll(profile, task, table, feasible));
  engine::TieBreak ties;
  if (profile.placing().rotates_ties) ties = engine::TieBreak(table, asked.key);
  feasible.ForEach([&](Slot slot) {
    const bool is_better =
        best.slot == kNoSlot || totals[slot] > best.total ||
        (totals[slot] == best.total && ties(table.rank()[slot]) < ties(table.rank()[best.slot]));
    if (is_better) best = {slot, totals[slot]};
  });
  return best;
}

}  // namespace berth::pipeline
