// Tasks that wait because another attempt of them runs, or may run, somewhere.
//
// After a restore, nodes may run attempts that this state does not know, of tasks that it knows to
// wait. Nothing that was there at the restore is placed before the nodes have had their time to say
// what they run: a lease, for those that this state does not know either; lostAfter, when one that
// it knows is silent; and for what is fenced until it has surely ended on any node.
#include <algorithm>
#include <string>

#include "base/planted_fault.h"
#include "scheduler/turn.h"
#include "state/generation.h"

namespace berth::scheduler {

using state::JobRow;

void Turn::EndStray(Slot slot, const state::AgentAttempt& attempt) {
  if (const auto let_go = state_->DropStray(slot, attempt)) SyncTask(*let_go);
}

void Turn::PlanLettingGo(Slot slot) {
  for (const auto& [attempt, stray] : state_->StraysOn(slot)) {
    if (!stray.holds_back) continue;
    const JobRow* job = state_->FindJob(stray.holds_back->job);
    if (job == nullptr) continue;
    const state::GroupSpec& group = job->spec->groups[stray.holds_back->group];
    const int64_t at_ms =
        group.kill_on_partition ? leases_.FencedBy(slot, group.grace_ms) : now_ms_;
    letting_go_.emplace(at_ms, slot, attempt);
  }
}

void Turn::StopLettingGo(Slot slot) {
  std::erase_if(letting_go_, [slot](const auto& each) { return std::get<Slot>(each) == slot; });
}

void Turn::BeginSettling() {
  settling_began_ = true;
  if (!state_->meta().settling || BERTH_PLANTED(kSkipSettling)) return;
  Settling& settling = settling_.emplace();
  settling.began_ms = now_ms_;
  for (const auto& [node, slot] : state_->nodes().by_name()) settling.silent.insert(slot);
  for (const auto& [id, const_job] : state_->jobs()) {
    // What was submitted since has no attempts but those that are known.
    if (id.value / state::kJobsPerGeneration >= state_->meta().generation) break;
    if (const_job->ended()) continue;
    JobRow& job = *state_->FindJob(id);
    for (uint32_t g = 0; g < job.groups.size(); ++g) {
      const state::GroupSpec& group = job.spec->groups[g];
      const int64_t fenced_ms =
          now_ms_ + options_.lease_ms + group.grace_ms + Leases::kFenceMarginMs;
      settling.groups.emplace(group.kill_on_partition ? fenced_ms : now_ms_, id, g);
      job.groups[g].settling = true;
      SyncQueue(job, g);
    }
  }
  if (settling.groups.empty()) return;
  warnings_.push_back(
      "this state was restored from a snapshot: what was submitted before is not placed until the "
      "nodes have said what they run of it, for " +
      std::to_string(options_.lease_ms / 1000) + " s, and for " +
      std::to_string(options_.lost_after_ms / 1000) + " s if one of them is silent");
}

void Turn::CheckSettling() {
  if (!settling_began_) BeginSettling();
  while (!letting_go_.empty() && std::get<int64_t>(*letting_go_.begin()) <= now_ms_) {
    const auto [at_ms, slot, attempt] = *letting_go_.begin();
    letting_go_.erase(letting_go_.begin());
    if (!state_->StraysOn(slot).contains(attempt)) continue;
    if (const auto let_go = state_->SetHoldsBack(slot, attempt, false)) SyncTask(*let_go);
  }
  if (!settling_) return;
  for (auto settled = SettledAt(); settled && *settled <= now_ms_; settled = SettledAt()) {
    const auto [fenced_ms, id, group] = *settling_->groups.begin();
    settling_->groups.erase(settling_->groups.begin());
    JobRow* job = state_->FindJob(id);
    if (job == nullptr) continue;
    job->groups[group].settling = false;
    SyncQueue(*job, group);
  }
  // A daemon that is started while something is held back has to hear of it again.
  if (settling_->groups.empty() && !state_->holds_any_back()) {
    state_->EndSettling();
    settling_.reset();
  }
}

std::optional<int64_t> Turn::SettledAt() const {
  if (!settling_ || settling_->groups.empty()) return std::nullopt;
  const int64_t heard_ms = settling_->began_ms +
                           (settling_->silent.empty() ? options_.lease_ms : options_.lost_after_ms);
  return std::max(heard_ms, std::get<int64_t>(*settling_->groups.begin()));
}

}  // namespace berth::scheduler
