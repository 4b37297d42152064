#include "api/relay_call.h"

#include <utility>

#include "api/errors.h"
#include "wire/message_buffer.h"
#include "wire/values.h"

namespace berth::api {
namespace {

using grpc::ByteBuffer;

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
