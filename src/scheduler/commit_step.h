// The last step of a turn: onto the disk, and only then out.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "agents/agent_link.h"
#include "scheduler/loop_gate.h"
#include "scheduler/watch_hub.h"
#include "store/batch_encoder.h"
#include "store/state_store.h"

namespace berth::scheduler {

// Makes outcomes durable in order of epoch, each before any of its replies, directives and watch
// events is released.
//
// Threading: one thread (the store thread), which is also the releasing one.
class CommitStep {
 public:
  // What one Run() wrote.
  struct Written {
    uint64_t epoch = 0;
    uint64_t bytes = 0;
    uint64_t records = 0;
  };

  CommitStep(store::StateStore& store, agents::AgentLink& link, WatchHub& hub,
             int64_t watch_history_epochs)
      : store_(store),
        link_(link),
        hub_(hub),
        encoder_({.watch_history_epochs = watch_history_epochs}) {}

  // Writes the outcome's batch, if it has one, makes it durable, calls `on_durable`, and then
  // releases the outcome. An error is fatal: nothing was released, and whether the batch lasts is
  // not known until the store is opened again.
  absl::Status Run(Outcome& outcome, const std::function<void(const Written&)>& on_durable);

 private:
  void Release(Outcome& outcome);

  store::StateStore& store_;
  agents::AgentLink& link_;
  WatchHub& hub_;
  store::BatchEncoder encoder_;
};

}  // namespace berth::scheduler
