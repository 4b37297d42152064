// Nodes that are not heard from: what is placed there, and what becomes of what runs there.
#include <map>
#include <string>

#include "scheduler/turn.h"

namespace berth::scheduler {
namespace {

using state::TaskRow;

// A turn that has given up, or fenced, so many attempts leaves the other nodes to the next one.
constexpr size_t kAttemptsPerTurn = 1000;

}  // namespace

void Turn::Hear(Slot slot) {
  leases_.Hear(slot, now_ms_);
  SyncReady(slot);
}

void Turn::SyncReady(Slot slot) {
  const bool ready = state_->Link(slot).stream != 0 && leases_.is_fresh(slot);
  if (ready != state_->nodes().ready().Test(slot)) state_->SetReady(slot, ready);
}

void Turn::CheckSilence() {
  if (!leases_began_) {
    // What was heard before this process is not known to it: every agent gets its time to dial.
    leases_began_ = true;
    for (const auto& [name, slot] : state_->nodes().by_name()) leases_.Hear(slot, now_ms_);
  }
  std::map<Slot, size_t> fenced;
  size_t attempts = 0;
  while (attempts < kAttemptsPerTurn) {
    const auto silence = leases_.TakeDue(now_ms_);
    if (!silence) break;
    if (silence->fence) {
      if (!EndFenced(silence->slot, *silence->fence)) continue;
      ++attempts;
      ++fenced[silence->slot];
    } else if (silence->is_lost) {
      attempts += GiveUp(silence->slot);
    } else {
      SyncReady(silence->slot);
      attempts += AddFences(silence->slot);
    }
  }
  for (const auto& [slot, count] : fenced) {
    warnings_.push_back(SilenceOf(slot) + ": its " + std::to_string(count) +
                        " tasks with onPartition: kill have ended there by themselves and are "
                        "placed again");
  }
}

std::string Turn::SilenceOf(Slot slot) const {
  return "node \"" + state_->nodes().name(slot) + "\" has not been heard from for " +
         std::to_string((now_ms_ - leases_.heard_ms(slot)) / 1000) + " s";
}

size_t Turn::AddFences(Slot slot) {
  size_t added = 0;
  for (const TaskKey& key : state_->TasksOn(slot)) {
    const state::GroupSpec& group = state_->FindJob(key.job)->spec->groups[key.group];
    if (!group.kill_on_partition) continue;
    leases_.AddFence(slot, {key, state_->Row(key).attempt.number}, group.grace_ms);
    ++added;
  }
  return added;
}

bool Turn::EndFenced(Slot slot, const Leases::Fence& fence) {
  const TaskRow* row = state_->FindRow(fence.task);
  if (row == nullptr || row->slot != slot || row->attempt.number != fence.attempt ||
      !state::HoldsResources(row->state)) {
    return false;
  }
  const std::string silent = SilenceOf(slot);
  EndSilentStream(slot, silent);
  Lose(fence.task, silent + ", and has ended the task by itself: onPartition is kill");
  return true;
}

size_t Turn::GiveUp(Slot slot) {
  const std::string silent = SilenceOf(slot);
  EndSilentStream(slot, silent);
  PlanLettingGo(slot);
  std::set<TaskKey> tasks = state_->TasksOn(slot);
  // The node may still be giving them their grace.
  std::erase_if(tasks, [&](const TaskKey& key) { return leases_.HasFence(slot, key); });
  if (tasks.empty()) return 0;
  warnings_.push_back(silent + ": its " + std::to_string(tasks.size()) +
                      " tasks are lost there and are placed again; they may still run on the node "
                      "until it is heard from");
  for (const TaskKey& key : tasks) Lose(key, silent);
  return tasks.size();
}

void Turn::EndSilentStream(Slot slot, const std::string& silent) {
  const uint64_t stream = state_->Link(slot).stream;
  if (stream == 0) return;
  // Should it wake, it says anew what it has, and ends what was given up.
  effects_.emplace_back(state::RefuseAgent{stream, Reason::kNone,
                                           silent + ": its tasks were given up; connect again"});
  EndStream(slot);
}

void Turn::Lose(const TaskKey& key, const std::string& message) {
  ++counters_.attempts_lost;
  state::AttemptFinish finish;
  finish.end = state::AttemptEnd::kLost;
  finish.reason = Reason::kNodeLost;
  finish.message = message;
  AttemptFinished(key, finish);
}

}  // namespace berth::scheduler
