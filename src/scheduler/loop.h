// The hallway: one thread that owns all state, one that makes it durable.
//
//   gRPC threads ──Post──▶ Inbox ──▶ loop thread: Turn ──▶ store thread: Commit ──▶ release
//
// The loop thread applies commands and schedules; the store thread commits each turn's batch and
// then releases, in order of epoch, the turn's replies, its directives and its watch events. At
// most two batches are outstanding; with two, the loop thread waits. A failed commit ends the
// process through `on_fatal`, with nothing of that epoch released.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/agent_link.h"
#include "base/clock.h"
#include "scheduler/loop_gate.h"
#include "scheduler/loop_snapshot.h"
#include "scheduler/reply.h"
#include "scheduler/turn.h"
#include "scheduler/watch_hub.h"
#include "state/commands.h"
#include "store/state_store.h"

namespace berth::scheduler {

struct LoopOptions {
  // Most commands that wait, by class.
  std::array<size_t, state::kCommandClasses> inbox_capacity = {65536, 4096, 8192};
  // Most of one turn, however fast turns are; what they cost makes it less (turn_budget.h).
  int64_t work_units_per_turn = 4'000'000;
  size_t commands_per_turn = 4096;
  int64_t watch_history_epochs = 10'000;
};

// Threading: Post, snapshot and watches from any thread; Start and Stop once, by the owner.
class Loop final : public agents::AgentCommandSink {
 public:
  using ReplyCallback = scheduler::ReplyCallback;

  // `turn` is recovered state; `store`'s head is its epoch. `link` may be set later than this, but
  // before Start. `on_fatal` is called once, on the store thread, when a commit fails; it must not
  // return to normal service.
  Loop(const LoopOptions& options, std::unique_ptr<Turn> turn, store::StateStore& store,
       const base::Clock& clock, std::function<void(absl::Status)> on_fatal);
  ~Loop() override;

  void set_agent_link(agents::AgentLink* link);
  void Start();
  // Takes no further commands (UNAVAILABLE), finishes and commits what was taken, releases it.
  void Stop();

  // Queues a command. `reply` is called on the releasing thread once the answer is durable; it must
  // not block. RESOURCE_EXHAUSTED: that class of the inbox is full, nothing was taken and `reply`
  // is not called. UNAVAILABLE: shutting down.
  absl::Status Post(state::CommandClass command_class, state::Command command, ReplyCallback reply);

  // AgentCommandSink: as above, in the agents' class.
  absl::Status Post(state::Command command, std::function<void()> applied) override;

  // Puts changed profiles in force, and waits until that and its audit record are durable. On any
  // error the old ones stay; FAILED_PRECONDITION names a profile that is gone while jobs use it.
  // UNAVAILABLE: shutting down.
  absl::Status ReplaceProfiles(ProfileChange change);

  WatchHub& watches();

  // The last published picture; never null. At most 100 ms older than the loop's state.
  std::shared_ptr<const LoopSnapshot> snapshot() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::scheduler
