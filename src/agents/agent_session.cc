#include "agents/agent_session.h"

#include <utility>
#include <variant>

#include "agents/grpc_agent_link.h"
#include "agents/inventory.h"
#include "base/logging.h"
#include "wire/refusal.h"

namespace berth::agents {

AgentSession::AgentSession(GrpcAgentLink& link, uint64_t stream, state::Principal principal)
    : link_(link), stream_(stream), principal_(std::move(principal)) {}

void AgentSession::Begin() { StartRead(&incoming_); }

void AgentSession::OnReadDone(bool ok) {
  if (!ok) {
    // The agent is gone, or has said that it goes.
    End(grpc::Status::OK);
    return;
  }
  if (grpc::Status status = Handle(incoming_); !status.ok()) {
    BERTH_LOG_WARN("stream {} (node \"{}\"): refused: {}", stream_, node_, status.error_message());
    End(status);
    return;
  }
  incoming_.Clear();
  base::MutexLock lock(mutex_);
  if (ended_) return;
  if (under_way_ < kMostUnderWay) {
    StartRead(&incoming_);
  } else {
    read_is_due_ = true;
  }
}

grpc::Status AgentSession::Handle(v1::AgentMessage& message) {
  state::Command command;
  command.principal = principal_;
  if (message.has_hello() != !greeted_) {
    return wire::ToGrpcStatus({.code = absl::StatusCode::kInvalidArgument,
                               .reason = Reason::kInvalidField,
                               .message = greeted_ ? "a stream has one Hello, at its start"
                                                   : "the first message of a stream is Hello"});
  }
  switch (message.message_case()) {
    case v1::AgentMessage::kHello: {
      auto hello = ReadHello(stream_, message.hello());
      if (const auto* refusal = std::get_if<wire::Refusal>(&hello)) {
        return wire::ToGrpcStatus(*refusal);
      }
      node_ = message.hello().node();
      version_ = message.hello().version();
      command.body = std::move(std::get<state::OpenSession>(hello));
      break;
    }
    case v1::AgentMessage::kFacts:
      command.body = ReadFacts(stream_, message.facts());
      break;
    case v1::AgentMessage::kHeartbeat:
      command.body = ReadHeartbeat(stream_, message.heartbeat());
      break;
    case v1::AgentMessage::kInventory: {
      auto node = ReadNode(node_, version_, message.inventory());
      if (const auto* refusal = std::get_if<wire::Refusal>(&node)) {
        return wire::ToGrpcStatus(*refusal);
      }
      command.body = state::InventoryChanged{stream_, std::move(std::get<state::NodeSpec>(node))};
      break;
    }
    case v1::AgentMessage::MESSAGE_NOT_SET:
      return grpc::Status::OK;  // of a newer version: nothing that we know of
  }
  {
    base::MutexLock lock(mutex_);
    ++under_way_;
  }
  if (auto status = link_.Post(stream_, std::move(command)); !status.ok()) {
    return wire::ToGrpcStatus(wire::RefusalOf(status));
  }
  greeted_ = true;
  return grpc::Status::OK;
}

void AgentSession::Applied() {
  base::MutexLock lock(mutex_);
  --under_way_;
  if (ended_ || !read_is_due_) return;
  read_is_due_ = false;
  StartRead(&incoming_);
}

void AgentSession::Send(v1::DaemonMessage message) {
  base::MutexLock lock(mutex_);
  if (ended_) return;
  outgoing_.push_back(std::move(message));
  if (!writing_) WriteNext();
}

void AgentSession::WriteNext() {
  writing_ = true;
  grpc::WriteOptions options;
  // More is to follow at once: it may share a packet. Not so the first message: gRPC completes it
  // together with the stream's headers, and those only when something is sent.
  if (has_written_ && outgoing_.size() > 1) options.set_buffer_hint();
  has_written_ = true;
  StartWrite(&outgoing_.front(), options);
}

void AgentSession::OnWriteDone(bool ok) {
  base::MutexLock lock(mutex_);
  writing_ = false;
  outgoing_.pop_front();
  if (ok && !ended_ && !outgoing_.empty()) WriteNext();
}

void AgentSession::End(const grpc::Status& status) {
  base::MutexLock lock(mutex_);
  if (ended_) return;
  ended_ = true;
  Finish(status);
}

void AgentSession::OnDone() {
  link_.Forget(stream_);
  if (greeted_) link_.PostClose(stream_);
  delete this;
}

}  // namespace berth::agents
