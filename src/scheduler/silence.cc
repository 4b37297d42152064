// Nodes that are not heard from: what is placed there, and what becomes of what runs there.
#include <string>

#include "scheduler/turn.h"

namespace berth::scheduler {
namespace {

// A turn that has given up so many attempts leaves the other nodes to the next one.
constexpr size_t kLossesPerTurn = 1000;

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
  size_t losses = 0;
  while (losses < kLossesPerTurn) {
    const auto silence = leases_.TakeDue(now_ms_);
    if (!silence) return;
    if (silence->is_lost) {
      losses += GiveUp(silence->slot);
    } else {
      SyncReady(silence->slot);
    }
  }
}

size_t Turn::GiveUp(Slot slot) {
  const std::string silent = "node \"" + state_->nodes().name(slot) +
                             "\" has not been heard from for " +
                             std::to_string((now_ms_ - leases_.heard_ms(slot)) / 1000) + " s";
  if (const uint64_t stream = state_->Link(slot).stream; stream != 0) {
    // Should it wake, it says anew what it has, and ends what was given up.
    effects_.push_back(state::RefuseAgent{stream, Reason::kNone,
                                          silent + ": its tasks were given up; connect again"});
    EndStream(slot);
  }
  const std::set<TaskKey> tasks = state_->TasksOn(slot);
  if (tasks.empty()) return 0;
  counters_.attempts_lost += tasks.size();
  warnings_.push_back(silent + ": its " + std::to_string(tasks.size()) +
                      " tasks are lost there and are placed again; they may still run on the node "
                      "until it is heard from");
  for (const TaskKey& key : tasks) {
    state::AttemptFinish finish;
    finish.end = state::AttemptEnd::kLost;
    finish.reason = Reason::kNodeLost;
    finish.message = silent;
    AttemptFinished(key, finish);
  }
  return tasks.size();
}

}  // namespace berth::scheduler
