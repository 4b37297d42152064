#include "agents/agent_session.h"

#include <utility>
#include <variant>

#include "agents/grpc_agent_link.h"
#include "base/logging.h"
#include "wire/refusal.h"

namespace berth::agents {

AgentSession::AgentSession(GrpcAgentLink& link, uint64_t stream, state::Principal principal)
    : link_(link), stream_(stream), principal_(std::move(principal)), messages_(stream) {}

void AgentSession::Begin() {
  StartSendInitialMetadata();
  StartRead(&incoming_);
}

void AgentSession::OnReadDone(bool ok) {
  if (!ok) {
    // The agent is gone, or has said that it goes.
    End(grpc::Status::OK);
    return;
  }
  if (grpc::Status status = Handle(incoming_); !status.ok()) {
    BERTH_LOG_WARN("stream {} (node \"{}\"): refused: {}", stream_, messages_.node(),
                   status.error_message());
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

grpc::Status AgentSession::Handle(const v1::AgentMessage& message) {
  AgentMessages::Read read = messages_.Take(message);
  if (const auto* refusal = std::get_if<wire::Refusal>(&read)) return wire::ToGrpcStatus(*refusal);
  auto* body = std::get_if<state::CommandBody>(&read);
  if (body == nullptr) return grpc::Status::OK;
  state::Command command;
  command.principal = principal_;
  command.body = std::move(*body);
  {
    base::MutexLock lock(mutex_);
    ++under_way_;
  }
  if (auto status = link_.Post(stream_, std::move(command)); !status.ok()) {
    return wire::ToGrpcStatus(wire::RefusalOf(status));
  }
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
  // More is to follow at once: it may share a packet.
  if (outgoing_.size() > 1) options.set_buffer_hint();
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
  if (messages_.greeted()) link_.PostClose(stream_);
  delete this;
}

}  // namespace berth::agents
