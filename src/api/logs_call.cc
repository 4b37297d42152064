#include "api/logs_call.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/errors.h"
#include "api/ids.h"
#include "base/strings.h"
#include "wire/message_buffer.h"
#include "wire/values.h"

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
      {.principal = *std::move(principal),
       .body = state::LocateOutput{.object = *object, .previous = request_.previous()}},
      std::move(on_reply));
  if (!posted.ok()) return wire::RefusalOf(posted);
  return std::nullopt;
}

void LogsCall::OnLocated(const scheduler::Reply& reply) {
  if (!reply.status.ok()) {
    End(RefusalOf(reply));
    return;
  }
  where_ = std::get<scheduler::OutputReply>(reply.body);
  const scheduler::OutputReply& where = where_;
  if (where.stream == 0) {
    ServeKept(wire::ToGrpcStatus(
        {.code = absl::StatusCode::kUnavailable,
         .reason = Reason::kOutputUnavailable,
         .message = "node \"" + where.node +
                    "\": its agent is not connected, and it has the output; try again when the "
                    "node is back (see 'berth get nodes')"}));
    return;
  }
  wire::DataRequest request{.stream = where.stream, .node = where.node, .open = {}};
  v1::ReadOutput& read = *request.open.mutable_read_output();
  *read.mutable_key() = wire::ToProto(where.attempt);
  read.set_standard_output(request_.stream() != v1::OUTPUT_STREAM_STDERR);
  read.set_standard_error(request_.stream() != v1::OUTPUT_STREAM_STDOUT);
  read.set_follow(request_.follow());
  if (request_.has_tail_bytes()) read.set_tail_bytes(request_.tail_bytes());
  const auto transfer = around_.data.Open(request, shared_from_this());
  bool wanted = false;
  {
    base::MutexLock lock(mutex_);
    wanted = !ending_;
    if (wanted) transfer_ = transfer;
  }
  wanted ? transfer->Next() : transfer->Close();
}

void LogsCall::OnFrame(v1::DataFromAgent frame) {
  v1::OutputChunk& piece = *frame.mutable_output();
  v1::LogsResponse response;
  response.set_stream(piece.is_stderr() ? v1::OUTPUT_STREAM_STDERR : v1::OUTPUT_STREAM_STDOUT);
  response.set_offset(piece.offset());
  response.set_data(std::move(*piece.mutable_data()));
  response.set_unix_ms(piece.unix_ms());
  grpc::ByteBuffer bytes = wire::ToBuffer(response);
  base::MutexLock lock(mutex_);
  if (ending_) return;
  message_ = std::move(bytes);
  writing_ = any_written_ = true;
  StartWrite(&message_);
}

void LogsCall::ServeKept(const grpc::Status& otherwise) {
  std::deque<v1::LogsResponse> kept = ReadKept();
  {
    base::MutexLock lock(mutex_);
    if (ending_) return;
    if (kept.empty()) {
      EndWith(otherwise);
    } else {
      kept_ = std::move(kept);
      // Who follows a task that may go on is told that there may be more.
      if (request_.follow() && !where_.ended) after_kept_ = otherwise;
      WriteKept();
    }
  }
  Move();
}

std::deque<v1::LogsResponse> LogsCall::ReadKept() const {
  std::deque<v1::LogsResponse> kept;
  if (around_.tails == nullptr) return kept;
  for (const bool is_error : {false, true}) {
    const v1::OutputStream stream = is_error ? v1::OUTPUT_STREAM_STDERR : v1::OUTPUT_STREAM_STDOUT;
    if (request_.stream() != v1::OUTPUT_STREAM_UNSPECIFIED && request_.stream() != stream) continue;
    std::optional<state::OutputTail> tail =
        around_.tails->Get(where_.node, where_.attempt, is_error);
    if (!tail) continue;
    if (request_.has_tail_bytes()) {
      const size_t surplus =
          tail->data.size() - std::min<size_t>(tail->data.size(), request_.tail_bytes());
      tail->data.erase(0, surplus);
      tail->offset += static_cast<int64_t>(surplus);
      if (tail->data.empty()) continue;
    }
    v1::LogsResponse& response = kept.emplace_back();
    response.set_stream(stream);
    response.set_offset(tail->offset);
    response.set_data(std::move(tail->data));
    response.set_kept(true);
  }
  return kept;
}

void LogsCall::WriteKept() {
  message_ = wire::ToBuffer(kept_.front());
  kept_.pop_front();
  writing_ = any_written_ = true;
  StartWrite(&message_);
}

void LogsCall::OnWriteDone(bool ok) {
  std::shared_ptr<wire::DataChannel> transfer;
  {
    base::MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) EndWith(grpc::Status(grpc::StatusCode::CANCELLED, "the reader is gone"));
    if (!ending_) {
      if (!kept_.empty()) {
        WriteKept();
      } else if (transfer_ != nullptr) {
        transfer = transfer_;
      } else {
        EndWith(after_kept_);
      }
    }
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
  bool try_kept = false;
  std::shared_ptr<wire::DataChannel> transfer;
  {
    base::MutexLock lock(mutex_);
    // Nothing at all may be how it is, or a node that has lost its state directory.
    try_kept = !ending_ && !any_written_ && around_.tails != nullptr &&
               (status.ok() || reason == Reason::kOutputUnavailable);
    if (try_kept) {
      transfer.swap(transfer_);
    } else {
      EndWith(std::move(ending));
    }
  }
  if (transfer != nullptr) transfer->Close();
  if (try_kept) {
    // Reading takes a disk: not on the thread of whoever tells the end.
    around_.answers.Post([self = shared_from_this(), ending] { self->ServeKept(ending); });
    return;
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
  std::shared_ptr<wire::DataChannel> transfer;
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
