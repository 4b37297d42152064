#include "scheduler/loop_gate.h"

#include <algorithm>
#include <string>
#include <utility>

namespace berth::scheduler {

absl::Status LoopGate::Post(state::CommandClass command_class, state::Command command,
                            ReplyCallback reply) {
  if (stopping_ || failed_) {
    return absl::UnavailableError("berthd is shutting down; try again in a moment");
  }
  const auto index = static_cast<size_t>(command_class);
  auto& queue = inbox_[index];
  if (queue.size() >= capacity_[index]) {
    ++refused_[index];
    return absl::ResourceExhaustedError("berthd has " + std::to_string(queue.size()) +
                                        " commands of this kind waiting; try again in a moment");
  }
  queue.push_back({std::move(command), std::move(reply)});
  return absl::OkStatus();
}

absl::Status LoopGate::Post(std::unique_ptr<ProfileWaiter> waiter) {
  if (stopping_ || failed_) return absl::UnavailableError("berthd is shutting down");
  profile_waiters_.push_back(std::move(waiter));
  return absl::OkStatus();
}

bool LoopGate::InboxEmpty() const {
  return std::all_of(inbox_.begin(), inbox_.end(), [](const auto& q) { return q.empty(); });
}

LoopGate::Next LoopGate::Decide(bool more_work, bool is_due) const {
  if (failed_) return Next::kDone;
  if (is_full()) return Next::kWait;
  if (more_work || !InboxEmpty()) return Next::kRun;
  if (!profile_waiters_.empty()) return Next::kRun;
  if (stopping_) return Next::kDone;
  return is_due ? Next::kRun : Next::kWait;
}

void LoopGate::Take(const TurnBudget::Allowance& allowance, TurnInput& input, Outcome& outcome) {
  input.work_units = allowance.work_units;
  for (size_t i = 0; i < inbox_.size(); ++i) {
    while (!inbox_[i].empty() && input.commands.size() < allowance.commands) {
      Posted& posted = inbox_[i].front();
      outcome.callbacks.push_back(std::move(posted.reply));
      posted.command.token = outcome.callbacks.size();
      input.commands.push_back(std::move(posted.command));
      inbox_[i].pop_front();
      ++taken_[i];
    }
  }
  outcome.profile_waiters.swap(profile_waiters_);
  for (const auto& waiter : outcome.profile_waiters) {
    input.profile_changes.push_back(std::move(waiter->change));
  }
}

void LoopGate::Pass(Outcome outcome) {
  ++outstanding_;
  to_commit_.push_back(std::move(outcome));
}

Outcome LoopGate::TakeOutcome() {
  Outcome outcome = std::move(to_commit_.front());
  to_commit_.pop_front();
  return outcome;
}

}  // namespace berth::scheduler
