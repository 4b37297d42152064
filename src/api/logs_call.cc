#include "api/logs_call.h"

#include <utility>
#include <variant>

#include "api/errors.h"
#include "api/ids.h"
#include "base/strings.h"
#include "wire/message_buffer.h"

namespace berth::api {

grpc::ServerWriteReactor<grpc::ByteBuffer>* LogsCall::Start(const Surroundings& surroundings,
                                                            grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) {
  const std::shared_ptr<LogsCall> call(new LogsCall(surroundings));
  {
    base::MutexLock lock(call->mutex_);
    call->self_ = call;
  }
  surroundings.open_calls.Add(call);
  if (const auto refusal = call->Begin(context, request)) call->End(*refusal);
  return call.get();
}

std::optional<wire::Refusal> LogsCall::Begin(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* bytes) {
  auto principal = around_.authorizer.PrincipalOf(context->peer());
  if (!principal.ok()) return wire::RefusalOf(principal.status());
  grpc::ByteBuffer buffer(*bytes);
  if (const absl::Status parsed = wire::ParseMessage(buffer, request_); !parsed.ok()) {
    return wire::RefusalOf(parsed);
  }
  const auto object = ParseObjectRef(request_.id(), Attempts::kAllowed);
  if (!object.ok()) return InvalidField("id", base::S(object.status().message()));
  if (!v1::OutputStream_IsValid(request_.stream())) {
    return InvalidField("stream", "is not STDOUT or STDERR; leave it out for both");
  }
  if (request_.has_tail_bytes() && request_.tail_bytes() < 0) {
    return InvalidField("tail_bytes",
                        "is " + std::to_string(request_.tail_bytes()) + "; it cannot be negative");
  }
  auto on_reply = [self = shared_from_this()](scheduler::Reply reply) {
    // Opening a transfer may take a while: not on the releasing thread.
    self->around_.answers.Post([self, reply = std::move(reply)] { self->OnLocated(reply); });
  };
  const absl::Status posted = around_.loop.Post(
      state::CommandClass::kOperators,
      {.principal = *std::move(principal), .body = state::LocateOutput{.object = *object}},
      std::move(on_reply));
  if (!posted.ok()) return wire::RefusalOf(posted);
  return std::nullopt;
}

void LogsCall::OnLocated(const scheduler::Reply& reply) {
  if (!reply.status.ok()) {
    End(RefusalOf(reply));
    return;
  }
  const auto& where = std::get<scheduler::OutputReply>(reply.body);
  if (where.stream == 0) {
    End({.code = absl::StatusCode::kUnavailable,
         .reason = Reason::kOutputUnavailable,
         .message = "node \"" + where.node +
                    "\": its agent is not connected, and it has the output; try again when the "
                    "node is back (see 'berth get nodes')"});
    return;
  }
  state::OutputRequest request;
  request.stream = where.stream;
  request.node = where.node;
  request.attempt = where.attempt;
  request.standard_output = request_.stream() != v1::OUTPUT_STREAM_STDERR;
  request.standard_error = request_.stream() != v1::OUTPUT_STREAM_STDOUT;
  request.follow = request_.follow();
  if (request_.has_tail_bytes()) request.tail_bytes = request_.tail_bytes();
  const auto transfer = around_.outputs.Open(request, shared_from_this());
  bool wanted = false;
  {
    base::MutexLock lock(mutex_);
    wanted = !ending_;
    if (wanted) transfer_ = transfer;
  }
  wanted ? transfer->Next() : transfer->Close();
}

void LogsCall::OnPiece(state::OutputPiece piece) {
  v1::LogsResponse response;
  response.set_stream(piece.is_error ? v1::OUTPUT_STREAM_STDERR : v1::OUTPUT_STREAM_STDOUT);
  response.set_offset(piece.offset);
  response.set_data(std::move(piece.data));
  grpc::ByteBuffer bytes = wire::ToBuffer(response);
  base::MutexLock lock(mutex_);
  if (ending_) return;
  message_ = std::move(bytes);
  writing_ = true;
  StartWrite(&message_);
}

void LogsCall::OnWriteDone(bool ok) {
  std::shared_ptr<state::OutputTransfer> transfer;
  {
    base::MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) EndWith(grpc::Status(grpc::StatusCode::CANCELLED, "the reader is gone"));
    if (!ending_) transfer = transfer_;
  }
  if (transfer != nullptr) transfer->Next();
  Move();
}

void LogsCall::OnEnd(absl::Status status, Reason reason) {
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

void LogsCall::OnCancel() {
  {
    base::MutexLock lock(mutex_);
    EndWith(grpc::Status(grpc::StatusCode::CANCELLED, "the reader is gone"));
  }
  Move();
}

void LogsCall::End(const wire::Refusal& refusal) {
  {
    base::MutexLock lock(mutex_);
    EndWith(wire::ToGrpcStatus(refusal));
  }
  Move();
}

void LogsCall::EndWith(grpc::Status status) {
  if (!ending_) ending_ = std::move(status);
}

void LogsCall::Move() {
  std::shared_ptr<state::OutputTransfer> transfer;
  {
    base::MutexLock lock(mutex_);
    if (!ending_ || writing_ || finished_) return;
    finished_ = true;
    transfer.swap(transfer_);
    Finish(*ending_);
  }
  if (transfer != nullptr) transfer->Close();
}

void LogsCall::OnDone() {
  std::shared_ptr<LogsCall> self;
  {
    base::MutexLock lock(mutex_);
    self.swap(self_);
  }
  around_.open_calls.Remove(self);
}

}  // namespace berth::api
