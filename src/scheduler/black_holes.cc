// Nodes that swallow work: what they are given fails at once, so they are free again at once.
#include <algorithm>
#include <string>

#include "scheduler/start_failures.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

using state::AttemptEnd;
using state::AttemptFinish;

namespace {

constexpr int kStartsToCordon = 10;
constexpr size_t kJobsToCordon = 3;
constexpr int64_t kAtOnceMs = 1000;
// Of all nodes, berthd takes out no more by itself; one it always may.
constexpr size_t kMostSharePercent = 10;

bool FailedAtOnce(const AttemptFinish& finish) {
  if (finish.end == AttemptEnd::kCouldNotStart) return true;
  return finish.end == AttemptEnd::kExited && finish.exit_code != 0 &&
         finish.ended_unix_ms - finish.started_unix_ms < kAtOnceMs;
}

// Neither good nor bad: it says nothing of the node.
bool SaysNothing(const AttemptFinish& finish) {
  return finish.end != AttemptEnd::kExited && finish.end != AttemptEnd::kCouldNotStart;
}

}  // namespace

void Turn::JudgeNode(Slot slot, const state::JobRow& job, const AttemptFinish& finish) {
  if (SaysNothing(finish)) return;
  if (!FailedAtOnce(finish)) {
    streaks_.erase(slot);
    last_good_end_ = {now_ms_, slot};
    return;
  }
  Streak& streak = streaks_[slot];
  if (streak.failures++ == 0) streak.began_ms = now_ms_;
  if (IsNodesFault(finish.reason)) ++streak.node_caused;
  if (streak.jobs.size() < kJobsToCordon) streak.jobs.insert(job.id);
  if (state_->nodes().cordoned().Test(slot)) return;
  // Users' own mistakes fail at once too. They fail everywhere, and are few users' jobs.
  const bool others_do_well = last_good_end_.second != kNoSlot && last_good_end_.second != slot &&
                              last_good_end_.first >= streak.began_ms;
  const bool is_black_hole =
      streak.node_caused >= kStartsToCordon ||
      (streak.failures >= kStartsToCordon && streak.jobs.size() >= kJobsToCordon && others_do_well);
  // Everyone sees the reason: what a task says of itself is not among it.
  if (is_black_hole) CordonBlackHole(slot, IsNodesFault(finish.reason) ? finish.message : "");
}

void Turn::CordonBlackHole(Slot slot, const std::string& last) {
  const auto& by_name = state_->nodes().by_name();
  const auto taken_out =
      static_cast<size_t>(std::count_if(by_name.begin(), by_name.end(), [&](const auto& node) {
        return !state_->Link(node.second).cordon_reason.empty();
      }));
  const std::string name = "node \"" + state_->nodes().name(slot) + "\"";
  const std::string why = std::to_string(streaks_.at(slot).failures) +
                          " starts in a row failed there at once" +
                          (last.empty() ? ", of several jobs, while tasks elsewhere did well"
                                        : "; the last one: " + last);
  if (taken_out >= std::max<size_t>(1, by_name.size() * kMostSharePercent / 100)) {
    warnings_.push_back(name + ": " + why + "; not cordoned, as berthd has cordoned " +
                        std::to_string(taken_out) + " of " + std::to_string(by_name.size()) +
                        " nodes already: see to those, then 'berth uncordon' them");
    streaks_.erase(slot);  // said again after as many more
    return;
  }
  state_->Link(slot).cordon_reason = why;
  state_->SetCordoned(slot, true);
  Audit({.name = "berthd"}, "cordon", name, "ok", why);
  warnings_.push_back(name + " is cordoned: " + why + "; mend it, then 'berth uncordon " +
                      state_->nodes().name(slot) + "'");
  streaks_.erase(slot);
}

}  // namespace berth::scheduler
