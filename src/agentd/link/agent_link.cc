#include "agentd/link/agent_link.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <utility>

#include "base/logging.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "berth/v1/agent.grpc.pb.h"

namespace berth::agentd {
namespace {

constexpr int64_t kSlowRetryMs = 30'000;
constexpr int64_t kSayAgainMs = 60'000;
constexpr int kMostGrpcMessageBytes = 16 << 20;

}  // namespace

absl::StatusOr<std::string> GrpcTarget(const std::string& server) {
  if (server.rfind("unix:", 0) == 0) {
    if (server.size() > 5 && server[5] == '/') return server;
    return absl::InvalidArgumentError(
        base::A("server \"" + server + "\": a Unix socket is written unix:/absolute/path"));
  }
  const size_t colon = server.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == server.size()) {
    return absl::InvalidArgumentError(
        base::A("server \"" + server + "\": write unix:/path or host:port"));
  }
  return "dns:///" + server;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target) {
  grpc::ChannelArguments arguments;
  // In spite of its name, what one attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetMaxReceiveMessageSize(kMostGrpcMessageBytes);
  // A connection of its own: another agent in this process must not share its fate.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

// One stream. gRPC's threads and the loop's meet under its lock; it lives until gRPC is done.
class AgentLink::Stream : public grpc::ClientBidiReactor<v1::AgentMessage, v1::DaemonMessage> {
 public:
  struct Callbacks {
    std::function<void()> on_open;
    std::function<void(v1::DaemonMessage)> on_message;
    std::function<void(int code, std::string message)> on_done;
  };

  Stream(std::shared_ptr<grpc::Channel> channel, Callbacks callbacks)
      : stub_(v1::AgentService::NewStub(std::move(channel))), callbacks_(std::move(callbacks)) {}

  void Begin() {
    stub_->async()->Connect(&context_, this);
    // The loop's thread writes from outside of reactions.
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }

  void Write(v1::AgentMessage message) {
    base::MutexLock lock(mutex_);
    if (ended_) return;
    waiting_.push_back(std::move(message));
    if (!writing_) WriteNext();
  }

  void End() {
    context_.TryCancel();
    LetGo();
  }

  void WaitUntilDone() {
    base::MutexLock lock(mutex_);
    while (!done_) finished_.Wait(mutex_);
  }

 private:
  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) callbacks_.on_open();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      LetGo();
      return;
    }
    callbacks_.on_message(std::move(incoming_));
    incoming_.Clear();
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    base::MutexLock lock(mutex_);
    writing_ = false;
    if (!ok || ended_) {
      ended_ = true;
      return;
    }
    if (!waiting_.empty()) WriteNext();
  }

  void OnDone(const grpc::Status& status) override {
    callbacks_.on_done(static_cast<int>(status.error_code()), status.error_message());
    base::MutexLock lock(mutex_);
    done_ = true;
    finished_.NotifyAll();
  }

  void WriteNext() BERTH_REQUIRES(mutex_) {
    outgoing_ = std::move(waiting_.front());
    waiting_.pop_front();
    writing_ = true;
    grpc::WriteOptions options;
    if (!waiting_.empty()) options.set_buffer_hint();
    StartWrite(&outgoing_, options);
  }

  // No write comes from outside any more: gRPC may finish.
  void LetGo() {
    bool held;
    {
      base::MutexLock lock(mutex_);
      ended_ = true;
      held = std::exchange(held_, false);
    }
    if (held) RemoveHold();
  }

  const std::unique_ptr<v1::AgentService::Stub> stub_;
  const Callbacks callbacks_;
  grpc::ClientContext context_;
  v1::DaemonMessage incoming_;  // gRPC's between StartRead and OnReadDone

  base::Mutex mutex_;
  base::CondVar finished_;
  std::deque<v1::AgentMessage> waiting_ BERTH_GUARDED_BY(mutex_);
  v1::AgentMessage outgoing_;  // gRPC's between StartWrite and OnWriteDone
  bool writing_ BERTH_GUARDED_BY(mutex_) = false;
  bool ended_ BERTH_GUARDED_BY(mutex_) = false;
  bool held_ BERTH_GUARDED_BY(mutex_) = true;
  bool done_ BERTH_GUARDED_BY(mutex_) = false;
};

AgentLink::AgentLink(EventLoop& loop, const base::Clock& clock,
                     std::shared_ptr<grpc::Channel> channel, std::string server, Backoff backoff,
                     Callbacks callbacks, int64_t answer_within_ms)
    : loop_(loop),
      clock_(clock),
      channel_(std::move(channel)),
      server_(std::move(server)),
      backoff_(std::move(backoff)),
      callbacks_(std::move(callbacks)),
      answer_within_ms_(answer_within_ms) {}

AgentLink::~AgentLink() {
  stopping_ = true;
  *alive_ = false;
  if (!stream_) return;
  stream_->End();
  stream_->WaitUntilDone();
}

void AgentLink::Start() { Dial(); }

void AgentLink::Dial() {
  if (stopping_) return;
  const uint64_t link = ++link_;
  slow_ = false;
  heard_ = false;
  // What the stream posts may arrive when this object is gone.
  const std::shared_ptr<bool> alive = alive_;
  Stream::Callbacks callbacks;
  callbacks.on_open = [this, alive, link, &loop = loop_] {
    loop.Post([this, alive, link] {
      if (*alive && link == link_ && stream_) callbacks_.on_up(link);
    });
  };
  callbacks.on_message = [this, alive, link, &loop = loop_](v1::DaemonMessage message) {
    loop.Post([this, alive, link, message = std::move(message)]() mutable {
      if (!*alive || link != link_) return;
      heard_ = true;
      callbacks_.on_message(link, std::move(message));
    });
  };
  callbacks.on_done = [this, alive, link, &loop = loop_](int code, std::string message) {
    loop.Post([this, alive, link, code, message = std::move(message)] {
      if (*alive) OnDown(link, code, message);
    });
  };
  stream_ = std::make_shared<Stream>(channel_, std::move(callbacks));
  stream_->Begin();
  AwaitAnswer();
}

void AgentLink::AwaitAnswer() {
  loop_.At(clock_.MonotonicMs() + answer_within_ms_, [this, alive = alive_, link = link_] {
    if (!*alive || link != link_ || heard_ || !stream_) return;
    LogFailure("berthd at " + server_ + " has not answered for " +
               std::to_string(answer_within_ms_ / 1000) + " s; tasks go on, trying again");
    stream_->End();
  });
}

void AgentLink::Send(uint64_t link, v1::AgentMessage message) {
  if (link == link_ && stream_) stream_->Write(std::move(message));
}

void AgentLink::Close(uint64_t link, bool slow) {
  if (link != link_ || !stream_) return;
  slow_ = slow;
  stream_->End();
}

void AgentLink::OnDown(uint64_t link, int code, const std::string& message) {
  if (link != link_) return;
  stream_->WaitUntilDone();
  stream_.reset();
  callbacks_.on_down(link);
  bool slow = slow_;
  switch (code) {
    case grpc::StatusCode::OK:
    case grpc::StatusCode::CANCELLED:  // by ourselves: whoever did has said why
      break;
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      slow = true;
      LogFailure("berthd at " + server_ + " refuses this agent: " + message);
      break;
    case grpc::StatusCode::UNIMPLEMENTED:
      slow = true;
      LogFailure("what answers at " + server_ + " is not a berthd that takes agents: " + message);
      break;
    default:
      LogFailure("no connection to berthd at " + server_ + ": " + message +
                 "; tasks go on, trying again");
  }
  const int64_t wait = slow ? kSlowRetryMs : backoff_.NextMs();
  loop_.At(clock_.MonotonicMs() + wait, [this, alive = alive_] {
    if (*alive) Dial();
  });
}

void AgentLink::LogFailure(const std::string& text) {
  const int64_t now = clock_.MonotonicMs();
  if (text == last_failure_ && now - last_failure_ms_ < kSayAgainMs) return;
  last_failure_ = text;
  last_failure_ms_ = now;
  BERTH_LOG_WARN("{}", text);
}

}  // namespace berth::agentd
