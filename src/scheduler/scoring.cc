// Scores from outside: what scorers are told, and what they say.
#include <utility>

#include "scheduler/turn.h"

namespace berth::scheduler {

using state::Principal;

TaskView Turn::ViewOf(state::ShapeId shape, const TaskKey& key) const {
  TaskView view{state_->requirements().Get(shape), key};
  view.outside_scores = state_->nodes().outside_scores().Of(shape);
  return view;
}

std::vector<ScoredProfile> Turn::FindScored(
    const std::vector<pipeline::ProfileOptions>& options) const {
  std::vector<ScoredProfile> scored;
  for (const pipeline::ProfileOptions& profile : options) {
    const uint32_t number = profile_index_.find(profile.name)->second;
    for (const engine::WeightedScore& score : profiles_[number].profile.scores()) {
      if (score.plugin == nullptr || (score.plugin->reads() & kReadsOutside) == 0) continue;
      ScoredProfile found{
          .profile = number, .name = profile.name, .plugin = std::string(score.name()), .args = {}};
      for (const auto& [plugin, args] : profile.plugin_config) {
        if (plugin == found.plugin) found.args = args;
      }
      scored.push_back(std::move(found));
      break;  // they all read the same
    }
  }
  return scored;
}

Reply Turn::Do(const Principal&, const state::ReadForScoring& command) {
  auto reply = scoring_.Read(command, now_ms_, work_units_);
  if (!reply.ok()) return Refuse(reply.status(), Reason::kNone);
  return Answer(*std::move(reply));
}

Reply Turn::Do(const Principal&, const state::PutScores& command) {
  const auto reply = scoring_.Put(command, now_ms_, work_units_);
  if (!reply.ok()) return Refuse(reply.status(), Reason::kNone);
  return Answer(*reply);
}

Reply Turn::Do(const Principal&, const state::NoteScorer& command) {
  const absl::Status status = scoring_.Note(command, now_ms_);
  if (!status.ok()) return Refuse(status, Reason::kNone);
  return Answer(std::monostate());
}

}  // namespace berth::scheduler
