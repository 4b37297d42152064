#include "agents/agent_messages.h"

#include <utility>

#include "agents/inventory.h"

namespace berth::agents {

AgentMessages::Read AgentMessages::Take(const v1::AgentMessage& message) {
  if (message.has_hello() != !greeted_) {
    return wire::Refusal{.code = absl::StatusCode::kInvalidArgument,
                         .reason = Reason::kInvalidField,
                         .message = greeted_ ? "a stream has one Hello, at its start"
                                             : "the first message of a stream is Hello"};
  }
  switch (message.message_case()) {
    case v1::AgentMessage::kHello: {
      auto hello = ReadHello(stream_, message.hello());
      if (auto* refusal = std::get_if<wire::Refusal>(&hello)) return std::move(*refusal);
      greeted_ = true;
      node_ = message.hello().node();
      version_ = message.hello().version();
      return state::CommandBody(std::move(std::get<state::OpenSession>(hello)));
    }
    case v1::AgentMessage::kFacts:
      return state::CommandBody(ReadFacts(stream_, message.facts()));
    case v1::AgentMessage::kHeartbeat:
      return state::CommandBody(ReadHeartbeat(stream_, message.heartbeat()));
    case v1::AgentMessage::kInventory: {
      auto node = ReadNode(node_, version_, message.inventory());
      if (auto* refusal = std::get_if<wire::Refusal>(&node)) return std::move(*refusal);
      return state::CommandBody(
          state::InventoryChanged{stream_, std::move(std::get<state::NodeSpec>(node))});
    }
    case v1::AgentMessage::kTails:
      return ReadTails(message.tails());
    case v1::AgentMessage::MESSAGE_NOT_SET:
      break;
  }
  return std::monostate{};
}

}  // namespace berth::agents
