// A debug check: now and then, a placement is held against a look at every node.
#include <string>
#include <utility>

#include "engine/run_plugins.h"
#include "pipeline/full_pass.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

bool Turn::IsCheckDue() {
  if (options_.check_placements == 0) return false;
  return ++placements_since_check_ % options_.check_placements == 0;
}

absl::StatusOr<engine::Placement> Turn::Check(const LoadedProfile& loaded, state::ShapeId shape,
                                              const TaskView& task, engine::Placement placement) {
  const pipeline::Profile& profile = loaded.profile;
  Charge(profile, 2);
  const auto best = pipeline::LookAtAll(profile, task, state_->nodes());
  if (!best.ok()) return best.status();
  ++counters_.placements_checked;
  const auto agrees = [&](const engine::Placement& found) {
    return pipeline::BestNode{found.slot, found.slot == kNoSlot ? 0 : found.total} == *best;
  };
  if (agrees(placement)) return placement;

  ++counters_.placements_wrong;
  const auto words = [&](Slot slot, int64_t total) {
    return slot == kNoSlot
               ? "nowhere"
               : "to " + state_->nodes().name(slot) + " (total " + std::to_string(total) + ")";
  };
  std::string text = "profile \"" + profile.name() + "\": a task would go " +
                     words(placement.slot, placement.total) +
                     " by what is remembered of its plugins' answers, and " +
                     words(best->slot, best->total) + " when they are asked about every node";
  // With everything asked anew it is right, whatever was remembered.
  engine_.Reset();
  auto again = engine_.Place(profile.placing(), KeyOf(shape), task);
  work_units_ += engine_.TakeWork();
  std::string names;
  for (const FilterPlugin* filter : profile.filters()) {
    names += (names.empty() ? "" : ", ") + std::string(filter->name());
  }
  for (const engine::WeightedScore& score : profile.scores()) {
    names += ", " + std::string(score.name());
  }
  warnings_.push_back(
      text + "; one of them depends on more than its scope or its reads declare: " + names);
  return again;
}

void Turn::NotePluginError(const absl::Status& error, std::string_view consequence) {
  ++counters_.scheduling_errors;
  const std::string plugin = engine::PluginAtFault(error);
  if (plugin.empty()) return;
  const uint64_t errors = ++counters_.plugin_errors[plugin];
  // Each first, and then ever more seldom: what waits is tried again each second.
  if ((errors & (errors - 1)) == 0) {
    warnings_.push_back(std::string(error.message()) + "; " + std::string(consequence) + " (" +
                        std::to_string(errors) + (errors == 1 ? " error" : " errors") +
                        " of this plugin so far)");
  }
}

}  // namespace berth::scheduler
