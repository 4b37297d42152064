#include "agents/agent_session.h"

#include <cstdlib>
#include <utility>
#include <variant>

#include "agents/grpc_agent_link.h"
#include "base/logging.h"
#include "wire/refusal.h"

namespace berth::agents {
namespace {

constexpr int64_t kSkewToSayMs = 1000;

}  // namespace

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
  if (auto* tails = std::get_if<AgentMessages::Tails>(&read)) {
    {
      base::MutexLock lock(mutex_);
      // Before the loop has taken its Hello it may be nobody's agent.
      if (!welcomed_ || link_.parts_.tails == nullptr || tails->empty()) return grpc::Status::OK;
      ++under_way_;
    }
    link_.Keep(stream_, messages_.node(), std::move(*tails));
    return grpc::Status::OK;
  }
  auto* body = std::get_if<state::CommandBody>(&read);
  if (body == nullptr) return grpc::Status::OK;
  if (auto* heartbeat = std::get_if<state::AgentHeartbeat>(body)) {
    heartbeat->clock_skew_ms = SkewOf(message.heartbeat());
  }
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

std::optional<int64_t> AgentSession::SkewOf(const v1::Heartbeat& heartbeat) {
  if (link_.parts_.clock == nullptr || heartbeat.unix_ms() == 0) return std::nullopt;
  const int64_t skew_ms = heartbeat.unix_ms() - link_.parts_.clock->WallMs();
  const bool skewed = std::abs(skew_ms) > kSkewToSayMs;
  if (std::exchange(skewed_, skewed) != skewed) {
    if (skewed) {
      BERTH_LOG_WARN(
          "node \"{}\": its clock is {} ms {} berthd's: times of its tasks are wrong by as much; "
          "set both by NTP",
          messages_.node(), std::abs(skew_ms), skew_ms > 0 ? "ahead of" : "behind");
    } else {
      BERTH_LOG_INFO("node \"{}\": its clock agrees with berthd's again", messages_.node());
    }
  }
  return skew_ms;
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
  if (message.has_welcome()) {
    welcomed_ = true;
    BERTH_LOG_INFO("node \"{}\": its agent is connected", messages_.node());
  }
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
  bool was_here = false;
  {
    base::MutexLock lock(mutex_);
    was_here = welcomed_;
  }
  if (was_here)
    BERTH_LOG_INFO("node \"{}\": its agent is not connected any more", messages_.node());
  delete this;
}

}  // namespace berth::agents
