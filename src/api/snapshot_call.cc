#include "api/snapshot_call.h"

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "base/logging.h"
#include "base/strings.h"
#include "berth/v1/admin.pb.h"
#include "wire/message_buffer.h"

namespace berth::api {
namespace {

constexpr size_t kMessageBytes = size_t{512} << 10;

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* SnapshotCall::Start(
    const Surroundings& surroundings, grpc::CallbackServerContext* context,
    const grpc::ByteBuffer* request) {
  const std::shared_ptr<SnapshotCall> call(new SnapshotCall(surroundings, context));
  {
    base::MutexLock lock(call->mutex_);
    call->self_ = call;
  }
  surroundings.open_calls.Add(call);
  if (const auto refusal = call->Begin(request)) call->End(*refusal);
  return call.get();
}

std::optional<wire::Refusal> SnapshotCall::Begin(const grpc::ByteBuffer* bytes) {
  auto principal = around_.authorizer.PrincipalOf(context_->peer());
  if (!principal.ok()) return wire::RefusalOf(principal.status());
  v1::SaveSnapshotRequest request;
  grpc::ByteBuffer buffer(*bytes);
  if (const absl::Status parsed = wire::ParseMessage(buffer, request); !parsed.ok()) {
    return wire::RefusalOf(parsed);
  }
  // Others are refused by the loop, which notes it.
  if (principal->is_operator) {
    if (around_.busy.exchange(true)) {
      return wire::Refusal{.code = absl::StatusCode::kResourceExhausted,
                           .message =
                               "snapshot: another one is being sent at this moment; try "
                               "again when that is done"};
    }
    holds_busy_ = true;
  }
  const absl::Status posted = around_.loop.Post(
      state::CommandClass::kOperators,
      {.principal = *std::move(principal), .body = state::NoteSnapshot{}},
      [self = shared_from_this()](const scheduler::Reply& reply) { self->OnNoted(reply); });
  if (!posted.ok()) return wire::RefusalOf(posted);
  return std::nullopt;
}

void SnapshotCall::OnNoted(const scheduler::Reply& reply) {
  if (!reply.status.ok()) return End(RefusalOf(reply));
  {
    base::MutexLock lock(mutex_);
    if (finished_) return;  // the reader went before it began
    running_ = true;
  }
  around_.snapshots.Post([self = shared_from_this()] { self->Run(); });
}

void SnapshotCall::OnWriteDone(bool ok) {
  base::MutexLock lock(mutex_);
  writing_ = false;
  if (!ok && !ending_) ending_ = grpc::Status(grpc::StatusCode::CANCELLED, "the reader is gone");
  changed_.NotifyAll();
}

void SnapshotCall::OnCancel() {
  EndWith(grpc::Status(grpc::StatusCode::CANCELLED, "the reader is gone"));
}

void SnapshotCall::End(const wire::Refusal& refusal) { EndWith(wire::ToGrpcStatus(refusal)); }

void SnapshotCall::EndWith(const grpc::Status& status) {
  {
    base::MutexLock lock(mutex_);
    if (!ending_) ending_ = status;
    changed_.NotifyAll();
    if (running_ || std::exchange(finished_, true)) return;
  }
  Finish(status);
}

void SnapshotCall::OnDone() {
  std::shared_ptr<SnapshotCall> self;
  {
    base::MutexLock lock(mutex_);
    self.swap(self_);
  }
  if (holds_busy_) around_.busy = false;
  around_.open_calls.Remove(self);
}

void SnapshotCall::Run() {
  absl::Status sent = around_.source([this](std::string_view bytes) { return Take(bytes); });
  if (sent.ok()) sent = Send();
  grpc::Status status;
  {
    base::MutexLock lock(mutex_);
    WaitForWrite();
    // A message that nobody takes is taken back: its buffer is ours until then.
    if (writing_) context_->TryCancel();
    while (writing_) changed_.Wait(mutex_);
    if (ending_) {
      status = *ending_;
    } else if (!sent.ok()) {
      status = wire::ToGrpcStatus(wire::RefusalOf(sent));
    }
    finished_ = true;
  }
  if (!status.ok()) {
    BERTH_LOG_WARN("a snapshot was not sent to its end: {}", status.error_message());
  }
  Finish(status);
}

absl::Status SnapshotCall::Take(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), kMessageBytes - gathered_.size());
    gathered_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    if (gathered_.size() < kMessageBytes) continue;
    if (absl::Status sent = Send(); !sent.ok()) return sent;
  }
  return absl::OkStatus();
}

bool SnapshotCall::WaitForWrite() {
  const auto deadline = std::chrono::steady_clock::now() + around_.longest_stall;
  while (writing_ && !ending_) {
    if (!changed_.WaitUntil(mutex_, deadline) && writing_) {
      ending_ = wire::ToGrpcStatus({.code = absl::StatusCode::kAborted,
                                    .reason = Reason::kTooSlow,
                                    .message = "snapshot: the reader has taken nothing for long"});
    }
  }
  return !writing_ && !ending_;
}

absl::Status SnapshotCall::Send() {
  {
    base::MutexLock lock(mutex_);
    if (!WaitForWrite()) return absl::CancelledError("the call has ended");
    if (gathered_.empty()) return absl::OkStatus();
    v1::SaveSnapshotResponse response;
    response.set_data(std::exchange(gathered_, {}));
    message_ = wire::ToBuffer(response);
    writing_ = true;
  }
  StartWrite(&message_);
  return absl::OkStatus();
}

}  // namespace berth::api
