// The loop as services see it.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "scheduler/loop_snapshot.h"
#include "scheduler/reply.h"
#include "scheduler/watch_hub.h"
#include "state/commands.h"

namespace berth::scheduler {
class Loop;
}

namespace berth::api {

// Threading: any thread.
class LoopPort {
 public:
  using ReplyCallback = std::function<void(scheduler::Reply)>;

  virtual ~LoopPort() = default;

  // Queues a command. `reply` is called once, on the releasing thread, when the answer is durable,
  // and must not block there. RESOURCE_EXHAUSTED: that class of the inbox is full; UNAVAILABLE:
  // shutting down. On an error nothing was taken and `reply` is not called.
  virtual absl::Status Post(state::CommandClass command_class, state::Command command,
                            ReplyCallback reply) = 0;
  virtual scheduler::WatchHub& watches() = 0;
  // Never null.
  virtual std::shared_ptr<const scheduler::LoopSnapshot> snapshot() const = 0;
};

// `loop` must outlive the port. `check_room` is asked before each submission is queued: an error is
// the answer, with reason DISK_FULL, so that new work is refused before the disk is full. Any
// thread; null: never asked.
std::unique_ptr<LoopPort> MakeLoopPort(scheduler::Loop& loop,
                                       std::function<absl::Status()> check_room = nullptr);

}  // namespace berth::api
