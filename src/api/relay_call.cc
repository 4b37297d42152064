#include "api/relay_call.h"

#include <map>
#include <utility>

#include "api/errors.h"
#include "wire/message_buffer.h"
#include "wire/values.h"

namespace berth::api {
namespace {

using grpc::ByteBuffer;

// How many there are at once of each key, up to a bound.
//
// Threading: any thread. Cost: a lock and a look into a map of those that have any.
template <typename Key>
class BoundedCounts {
 public:
  explicit BoundedCounts(size_t most) : most_(most) {}

  // One more, until the last copy of what it returns is gone; null: that would be too many. Must
  // not outlive this.
  std::shared_ptr<void> Take(const Key& key) {
    {
      base::MutexLock lock(mutex_);
      size_t& count = counts_[key];
      if (count >= most_) return nullptr;
      ++count;
    }
    // Of no bytes: that it is there counts.
    return {static_cast<void*>(this), [this, key](void*) { GiveBack(key); }};
  }

 private:
  void GiveBack(const Key& key) {
    base::MutexLock lock(mutex_);
    const auto found = counts_.find(key);
    if (--found->second == 0) counts_.erase(found);
  }

  const size_t most_;
  base::Mutex mutex_;
  std::map<Key, size_t> counts_ BERTH_GUARDED_BY(mutex_);
};

// What is open in this process: what relays take up is the process's, whatever server they came to.
struct OpenRelays {
  BoundedCounts<std::string> of_principals{RelayCall::kMostOfPrincipal};
  BoundedCounts<state::AgentAttempt> of_attempts{RelayCall::kMostOfAttempt};
};

OpenRelays& Relays() {
  static auto& relays = *new OpenRelays;  // for ever: calls may end while the process does
  return relays;
}

// INBOX_FULL: it is another bound, but what a program does about it is the same.
wire::Refusal TooMany(const std::string& who_has, size_t most, const std::string& whose) {
  return {.code = absl::StatusCode::kResourceExhausted,
          .reason = Reason::kInboxFull,
          .message = who_has + " " + std::to_string(most) +
                     " calls of exec, attach, cp and port-forward open, the most that " + whose +
                     " may have at once; end one of them, or wait until one ends",
          .retry_after_ms = wire::kRetryAfterMs};
}

std::string TextOf(const state::ObjectRef& object) {
  const std::string job = std::to_string(object.job.value);
  if (!object.has_task) return "job " + job;
  const std::string group = object.group.empty() ? "" : "." + object.group;
  return "task " + job + group + "." + std::to_string(object.index);
}

// Where the attempt is named in a request.
v1::AttemptKey* KeyOf(v1::OpenData& open) {
  switch (open.request_case()) {
    case v1::OpenData::kExec:
      return open.mutable_exec()->mutable_key();
    case v1::OpenData::kAttach:
      return open.mutable_attach()->mutable_key();
    case v1::OpenData::kReadPath:
      return open.mutable_read_path()->mutable_key();
    case v1::OpenData::kWritePath:
      return open.mutable_write_path()->mutable_key();
    case v1::OpenData::kForward:
      return open.mutable_forward()->mutable_key();
    default:
      return open.mutable_read_output()->mutable_key();
  }
}

class BidiCall final : public grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>, public RelayCall {
 public:
  using RelayCall::Begin;
  BidiCall(const Surroundings& around, std::unique_ptr<Interpreter> interpreter, std::string peer)
      : RelayCall(around, std::move(interpreter), std::move(peer)) {}
  void OnReadDone(bool ok) override { ReadDone(ok); }
  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Gone(); }

 private:
  void BeginRead() override { StartRead(&incoming_); }
  bool BeginWrite() override {
    StartWrite(&outgoing_);
    return true;
  }
  void BeginFinish(const grpc::Status& status) override { Finish(status); }
};

class ReadCall final : public grpc::ServerWriteReactor<ByteBuffer>, public RelayCall {
 public:
  using RelayCall::Begin;
  ReadCall(const Surroundings& around, std::unique_ptr<Interpreter> interpreter, std::string peer)
      : RelayCall(around, std::move(interpreter), std::move(peer)) {}
  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Gone(); }

 private:
  void BeginRead() override {}  // there is nothing more to read
  bool BeginWrite() override {
    StartWrite(&outgoing_);
    return true;
  }
  void BeginFinish(const grpc::Status& status) override { Finish(status); }
};

class WriteCall final : public grpc::ServerReadReactor<ByteBuffer>, public RelayCall {
 public:
  using RelayCall::Begin;
  WriteCall(const Surroundings& around, std::unique_ptr<Interpreter> interpreter, std::string peer,
            ByteBuffer* response)
      : RelayCall(around, std::move(interpreter), std::move(peer)), response_(response) {}
  void OnReadDone(bool ok) override { ReadDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Gone(); }

 private:
  void BeginRead() override { StartRead(&incoming_); }
  bool BeginWrite() override {  // sent with the end
    *response_ = outgoing_;
    return false;
  }
  void BeginFinish(const grpc::Status& status) override { Finish(status); }

  ByteBuffer* const response_;
};

}  // namespace

std::variant<v1::DataFromDaemon, wire::Refusal> Interpreter::FromClient(const ByteBuffer&) {
  return v1::DataFromDaemon();
}

RelayCall::RelayCall(const Surroundings& around, std::unique_ptr<Interpreter> interpreter,
                     std::string peer)
    : around_(around), interpreter_(std::move(interpreter)), peer_(std::move(peer)) {}

grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* RelayCall::ForBoth(
    const Surroundings& around, std::unique_ptr<Interpreter> interpreter,
    grpc::CallbackServerContext* context) {
  const auto call = std::make_shared<BidiCall>(around, std::move(interpreter), context->peer());
  call->Begin(nullptr);
  return call.get();
}

grpc::ServerWriteReactor<ByteBuffer>* RelayCall::ForReader(const Surroundings& around,
                                                           std::unique_ptr<Interpreter> interpreter,
                                                           grpc::CallbackServerContext* context,
                                                           const ByteBuffer* request) {
  const auto call = std::make_shared<ReadCall>(around, std::move(interpreter), context->peer());
  call->Begin(request);
  return call.get();
}

grpc::ServerReadReactor<ByteBuffer>* RelayCall::ForWriter(const Surroundings& around,
                                                          std::unique_ptr<Interpreter> interpreter,
                                                          grpc::CallbackServerContext* context,
                                                          ByteBuffer* response) {
  const auto call =
      std::make_shared<WriteCall>(around, std::move(interpreter), context->peer(), response);
  call->Begin(nullptr);
  return call.get();
}

void RelayCall::Begin(const ByteBuffer* first) {
  {
    base::MutexLock lock(mutex_);
    self_ = shared_from_this();
    opened_ = first != nullptr;
  }
  around_.open_calls.Add(shared_from_this());
  if (first == nullptr) {
    BeginRead();
  } else if (const auto refusal = Locate(*first)) {
    End(*refusal);
  }
}

std::optional<wire::Refusal> RelayCall::Locate(const ByteBuffer& first) {
  auto principal = around_.authorizer.PrincipalOf(peer_);
  if (!principal.ok()) return wire::RefusalOf(principal.status());
  auto opening = interpreter_->Open(first);
  if (auto* refusal = std::get_if<wire::Refusal>(&opening)) return std::move(*refusal);
  opening_ = std::move(std::get<Interpreter::Opening>(opening));
  // Before the loop is asked, so that who has too many costs it nothing.
  if (!principal->is_operator && !Occupy(Relays().of_principals.Take(principal->name))) {
    return TooMany(principal->name + " has", kMostOfPrincipal, "one user");
  }
  auto on_reply = [self = shared_from_this()](scheduler::Reply reply) {
    // Opening a channel may take a while: not on the releasing thread.
    self->around_.answers.Post([self, reply = std::move(reply)] { self->OnLocated(reply); });
  };
  const absl::Status posted = around_.loop.Post(
      state::CommandClass::kOperators,
      {.principal = *std::move(principal), .body = opening_.locate}, std::move(on_reply));
  if (!posted.ok()) return wire::RefusalOf(posted);
  return std::nullopt;
}

void RelayCall::OnLocated(const scheduler::Reply& reply) {
  if (!reply.status.ok()) {
    End(RefusalOf(reply));
    return;
  }
  const auto& where = std::get<scheduler::OutputReply>(reply.body);
  if (where.stream == 0) {
    End({.code = absl::StatusCode::kUnavailable,
         .reason = Reason::kNodeNotReady,
         .message = "node \"" + where.node +
                    "\": its agent is not connected, and the task is there; try again when the "
                    "node is back (see 'berth get nodes')"});
    return;
  }
  if (!Occupy(Relays().of_attempts.Take(where.attempt))) {
    End(TooMany(TextOf(opening_.locate.object) + ": it has", kMostOfAttempt, "one task"));
    return;
  }
  *KeyOf(opening_.open) = wire::ToProto(where.attempt);
  const auto channel = around_.data.Open(
      {.stream = where.stream, .node = where.node, .open = opening_.open}, shared_from_this());
  bool wanted = false;
  {
    base::MutexLock lock(mutex_);
    wanted = !ending_;
    if (wanted) channel_ = channel;
  }
  if (!wanted) return channel->Close();
  channel->Next();
  if (opening_.first.ByteSizeLong() > 0) {
    channel->Send(opening_.first);  // OnSent reads on
  } else {
    ReadOn();
  }
}

bool RelayCall::Occupy(std::shared_ptr<void> place) {
  if (place == nullptr) return false;
  base::MutexLock lock(mutex_);
  // A call that is over gives back nothing any more.
  if (!finished_) places_.push_back(std::move(place));
  return true;
}

void RelayCall::ReadOn() {
  base::MutexLock lock(mutex_);
  // gRPC ends a read that is under way when the call finishes, but none may begin after it.
  if (!ending_ && !client_ended_) BeginRead();
}

void RelayCall::Send(v1::DataFromDaemon frame) {
  std::shared_ptr<wire::DataChannel> channel;
  {
    base::MutexLock lock(mutex_);
    if (!ending_) channel = channel_;
  }
  if (channel != nullptr) channel->Send(std::move(frame));
}

void RelayCall::ReadDone(bool ok) {
  bool first = false;
  {
    base::MutexLock lock(mutex_);
    if (ending_) return;
    first = !std::exchange(opened_, true);
    if (!ok) client_ended_ = true;
  }
  if (!ok) {
    if (first) {
      End(InvalidField("task_id", "is required, in the first message"));
    } else if (auto frame = interpreter_->EndOfClient()) {
      Send(*std::move(frame));
    }
    return;
  }
  if (first) {
    if (const auto refusal = Locate(incoming_)) End(*refusal);
    return;
  }
  auto frame = interpreter_->FromClient(incoming_);
  if (const auto* refusal = std::get_if<wire::Refusal>(&frame)) {
    End(*refusal);
  } else if (std::get<v1::DataFromDaemon>(frame).ByteSizeLong() == 0) {
    ReadOn();
  } else {
    Send(std::move(std::get<v1::DataFromDaemon>(frame)));
  }
}

void RelayCall::OnSent() { ReadOn(); }

void RelayCall::OnFrame(v1::DataFromAgent frame) {
  auto message = interpreter_->FromAgent(std::move(frame));
  std::shared_ptr<wire::DataChannel> channel;
  {
    base::MutexLock lock(mutex_);
    if (ending_) return;
    if (message) {
      outgoing_ = *std::move(message);
      writing_ = BeginWrite();
    }
    if (!writing_) channel = channel_;
  }
  if (channel != nullptr) channel->Next();
}

void RelayCall::WriteDone(bool ok) {
  std::shared_ptr<wire::DataChannel> channel;
  {
    base::MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) EndWith(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone"));
    if (!ending_) channel = channel_;
  }
  if (channel != nullptr) channel->Next();
  Move();
}

void RelayCall::OnEnd(absl::Status status, Reason reason) {
  grpc::Status ending = grpc::Status::OK;
  if (!status.ok()) {
    wire::Refusal refusal = wire::RefusalOf(status);
    if (reason != Reason::kNone) refusal.reason = reason;
    ending = wire::ToGrpcStatus(refusal);
  }
  {
    base::MutexLock lock(mutex_);
    EndWith(std::move(ending));
  }
  Move();
}

void RelayCall::Cancelled() {
  {
    base::MutexLock lock(mutex_);
    EndWith(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone"));
  }
  Move();
}

void RelayCall::End(const wire::Refusal& refusal) {
  {
    base::MutexLock lock(mutex_);
    EndWith(wire::ToGrpcStatus(refusal));
  }
  Move();
}

void RelayCall::EndWith(grpc::Status status) {
  if (!ending_) ending_ = std::move(status);
}

void RelayCall::Move() {
  std::shared_ptr<wire::DataChannel> channel;
  {
    base::MutexLock lock(mutex_);
    if (!ending_ || writing_ || finished_) return;
    finished_ = true;
    channel.swap(channel_);
    // First, so that who has heard of the end finds room for the next.
    places_.clear();
    BeginFinish(*ending_);
  }
  if (channel != nullptr) channel->Close();
}

void RelayCall::Gone() {
  std::shared_ptr<RelayCall> self;
  {
    base::MutexLock lock(mutex_);
    self.swap(self_);
  }
  around_.open_calls.Remove(self);
}

}  // namespace berth::api
