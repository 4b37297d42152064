// The seam between the loop and whatever carries its words to agents.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "state/commands.h"
#include "state/effects.h"

namespace berth::agents {

// Takes effects for agents, once they are durable.
//
// Threading: called on the releasing thread, in order of epoch; must not block. An effect for a
// stream that is gone is dropped: the next session makes up for it.
class AgentLink {
 public:
  virtual ~AgentLink() = default;
  virtual void Deliver(std::vector<state::AgentEffect> effects) = 0;
};

// Where a link posts what agents say. Implemented by the hallway.
//
// Threading: any thread. `applied` is called on the releasing thread once the command's effects are
// durable: a link that lets only a few of a stream's commands be under way at once bounds the inbox
// of agents' facts, and pushes back on the stream by not reading it.
class AgentCommandSink {
 public:
  virtual ~AgentCommandSink() = default;
  // RESOURCE_EXHAUSTED: the inbox is full, the command was not taken. UNAVAILABLE: shutting down.
  virtual absl::Status Post(state::Command command, std::function<void()> applied) = 0;
};

}  // namespace berth::agents
