// What an agent says on its stream: messages into commands.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "berth/v1/agent.pb.h"
#include "state/commands.h"
#include "state/output_tails.h"
#include "wire/refusal.h"

namespace berth::agents {

// One stream's messages, in order: Hello first, and once.
//
// Threading: one thread at a time.
class AgentMessages {
 public:
  using Tails = std::vector<state::OutputTail>;
  // monostate: of a newer version, nothing that we know of. A refusal ends the stream.
  using Read = std::variant<std::monostate, state::CommandBody, Tails, wire::Refusal>;

  explicit AgentMessages(uint64_t stream) : stream_(stream) {}

  Read Take(const v1::AgentMessage& message);
  // A Hello was taken.
  bool greeted() const { return greeted_; }
  // Name of its node; empty before the Hello.
  const std::string& node() const { return node_; }

 private:
  const uint64_t stream_;
  bool greeted_ = false;
  std::string node_;
  std::string version_;
};

}  // namespace berth::agents
