#include "agents/grpc_agent_link.h"

#include <string>
#include <utility>
#include <variant>

#include "agents/agent_session.h"
#include "base/check.h"
#include "base/logging.h"
#include "wire/refusal.h"

namespace berth::agents {
namespace {

// Answers a call that may not be served.
template <typename Request, typename Response>
class Refused final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit Refused(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

GrpcAgentLink::GrpcAgentLink(AgentCommandSink& sink, AgentAuthorizer authorize, BlobReader blobs,
                             const LinkParts& parts)
    : sink_(sink),
      authorize_(std::move(authorize)),
      parts_(parts),
      messages_(std::move(blobs),
                [this](uint64_t stream, v1::DaemonMessage message) {
                  WithSession(stream,
                              [&](AgentSession& session) { session.Send(std::move(message)); });
                }),
      data_([this](uint64_t stream, const v1::OpenData& open) {
        return WithSession(stream, [&](AgentSession& session) {
          v1::DaemonMessage message;
          *message.mutable_open_data() = open;
          session.Send(std::move(message));
        });
      }) {}

GrpcAgentLink::~GrpcAgentLink() {
  base::MutexLock lock(mutex_);
  BERTH_CHECK(sessions_.empty()) << "the server must be shut down before its agents' link";
}

grpc::ServerBidiReactor<v1::AgentMessage, v1::DaemonMessage>* GrpcAgentLink::Connect(
    grpc::CallbackServerContext* context) {
  auto principal = authorize_(*context);
  if (!principal.ok()) {
    return new Refused<v1::AgentMessage, v1::DaemonMessage>(
        wire::ToGrpcStatus(wire::RefusalOf(principal.status())));
  }
  AgentSession* session;
  {
    base::MutexLock lock(mutex_);
    const uint64_t stream = next_stream_++;
    session = new AgentSession(*this, stream, *std::move(principal));
    sessions_.emplace(stream, session);
  }
  session->Begin();
  return session;
}

grpc::ServerBidiReactor<v1::DataFromAgent, v1::DataFromDaemon>* GrpcAgentLink::Data(
    grpc::CallbackServerContext* context) {
  if (auto principal = authorize_(*context); !principal.ok()) {
    return new Refused<v1::DataFromAgent, v1::DataFromDaemon>(
        wire::ToGrpcStatus(wire::RefusalOf(principal.status())));
  }
  return data_.Serve(context);
}

template <typename F>
bool GrpcAgentLink::WithSession(uint64_t stream, F&& f) {
  base::MutexLock lock(mutex_);
  const auto it = sessions_.find(stream);
  if (it == sessions_.end()) return false;
  f(*it->second);
  return true;
}

void GrpcAgentLink::EndSessions() {
  base::MutexLock lock(mutex_);
  for (const auto& [stream, session] : sessions_) {
    session->End(wire::ToGrpcStatus({.code = absl::StatusCode::kUnavailable,
                                     .reason = Reason::kShuttingDown,
                                     .message = "berthd is stopping"}));
  }
}

absl::Status GrpcAgentLink::Post(uint64_t stream, state::Command command) {
  return sink_.Post(std::move(command), [this, stream] {
    WithSession(stream, [](AgentSession& session) { session.Applied(); });
  });
}

void GrpcAgentLink::Keep(uint64_t stream, const std::string& node,
                         std::vector<state::OutputTail> tails) {
  parts_.tails->Put(node, std::move(tails), [this, stream] {
    WithSession(stream, [](AgentSession& session) { session.Applied(); });
  });
}

void GrpcAgentLink::Forget(uint64_t stream) {
  base::MutexLock lock(mutex_);
  sessions_.erase(stream);
}

void GrpcAgentLink::PostClose(uint64_t stream) {
  std::vector<uint64_t> closes;
  {
    base::MutexLock lock(mutex_);
    closes.swap(unposted_closes_);
  }
  if (stream != 0) closes.push_back(stream);
  for (const uint64_t closed : closes) {
    state::Command command;
    command.principal.name = "berthd";
    command.body = state::CloseSession{closed};
    const auto status = sink_.Post(std::move(command), [] {});
    // Shutting down: what was connected is of no interest any more.
    if (status.ok() || absl::IsUnavailable(status)) continue;
    base::MutexLock lock(mutex_);
    unposted_closes_.push_back(closed);
  }
}

// ---- effects ----

void GrpcAgentLink::Deliver(std::vector<state::AgentEffect> effects) {
  for (state::AgentEffect& effect : effects) {
    std::visit([this](auto& e) { Deliver(e); }, effect);
  }
  bool retry;
  {
    base::MutexLock lock(mutex_);
    retry = !unposted_closes_.empty();
  }
  if (retry) PostClose(0);
}

void GrpcAgentLink::Deliver(state::RefuseAgent& effect) {
  WithSession(effect.stream, [&](AgentSession& session) {
    const bool replaced = effect.reason == Reason::kNone;
    if (!replaced) BERTH_LOG_WARN("agent refused: {}", effect.message);
    session.End(wire::ToGrpcStatus(
        {.code = replaced ? absl::StatusCode::kAborted : absl::StatusCode::kFailedPrecondition,
         .reason = effect.reason,
         .message = std::move(effect.message)}));
  });
}

}  // namespace berth::agents
