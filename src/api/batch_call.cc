#include "api/batch_call.h"

#include <utility>
#include <variant>

#include "api/errors.h"
#include "api/submission.h"
#include "wire/message_buffer.h"
#include "wire/names.h"

namespace berth::api {
namespace {

constexpr size_t kMostIdBytes = 64;

v1::ItemError ToItemError(const wire::Refusal& refusal) {
  v1::ItemError error;
  error.set_code(static_cast<int>(refusal.code));
  error.set_reason(static_cast<v1::ReasonCode>(refusal.reason));
  error.set_message(refusal.message);
  if (!refusal.violations.empty()) error.set_field(refusal.violations.front().field);
  return error;
}

wire::Refusal Overtaken(const std::string& batch_id) {
  return {.code = absl::StatusCode::kFailedPrecondition,
          .reason = Reason::kInvalidField,
          .message = "batch \"" + batch_id +
                     "\": another stream goes on with it; one stream at a time brings its items",
          .violations = {{"batch_id", "is another stream's by now"}}};
}

// The batch's next item is another one.
bool IsOutOfPlace(const scheduler::Reply& reply) {
  return reply.status.code() == absl::StatusCode::kFailedPrecondition && reply.field == "offset";
}

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* BatchCall::Start(
    const Surroundings& surroundings, grpc::CallbackServerContext* context) {
  const std::shared_ptr<BatchCall> call(new BatchCall(surroundings));
  auto principal = surroundings.authorizer.PrincipalOf(context->peer());
  if (principal.ok()) call->principal_ = *principal;
  {
    base::MutexLock lock(call->mutex_);
    call->self_ = call;
    if (!principal.ok()) call->EndWith(wire::RefusalOf(principal.status()));
  }
  surroundings.open_calls.Add(call);
  base::MutexLock lock(call->mutex_);
  call->Move();
  return call.get();
}

void BatchCall::OnReadDone(bool ok) {
  std::optional<wire::Refusal> refusal;
  if (ok) refusal = Take(incoming_);
  base::MutexLock lock(mutex_);
  reading_ = false;
  if (!ok) reads_done_ = true;
  if (refusal) EndWith(*refusal);
  Move();
}

std::optional<wire::Refusal> BatchCall::Take(grpc::ByteBuffer& bytes) {
  v1::SubmitJobsRequest request;
  if (const absl::Status parsed = wire::ParseMessage(bytes, request); !parsed.ok()) {
    return wire::RefusalOf(parsed);
  }
  {
    base::MutexLock lock(mutex_);
    if (batch_id_.empty()) return TakeFirst(std::move(request));
    if (!request.batch_id().empty() && request.batch_id() != batch_id_) {
      return InvalidField("batch_id", "is another than the first message's; leave it out");
    }
  }
  if (!request.has_job()) return InvalidField("job", "is required after the first message");
  return TakeItem(std::move(request));
}

std::optional<wire::Refusal> BatchCall::TakeFirst(v1::SubmitJobsRequest request) {
  wire::Violations violations;
  if (request.batch_id().empty()) {
    violations.Add(wire::FieldPath("batch_id"),
                   "is required in the first message: it names the batch when it goes on later");
  }
  wire::CheckText(request.batch_id(), kMostIdBytes, wire::FieldPath("batch_id"), violations);
  if (!violations.empty()) return wire::RefusalOf(violations);
  batch_id_ = request.batch_id();
  // Before the question below, so that the answer counts all that the other has posted. Its mutex
  // is taken while this one's is held: whoever waits came later, so nobody waits in a circle.
  if (const auto other = around_.batches.Take(principal_.name, batch_id_, shared_from_this())) {
    other->End(Overtaken(batch_id_));
  }
  placing_ = true;
  auto on_reply = [self = shared_from_this(), first = std::move(request)](scheduler::Reply reply) {
    self->around_.answers.Post(
        [self, first, reply = std::move(reply)] { self->OnPlace(reply, first); });
  };
  const absl::Status posted =
      around_.loop.Post(state::CommandClass::kSubmissions,
                        {.principal = principal_, .body = state::GetBatch{.batch_id = batch_id_}},
                        std::move(on_reply));
  if (posted.ok()) return std::nullopt;
  placing_ = false;
  return wire::RefusalOf(posted);
}

void BatchCall::OnPlace(const scheduler::Reply& reply, v1::SubmitJobsRequest first) {
  std::optional<wire::Refusal> refusal;
  if (!reply.status.ok()) {
    refusal = RefusalOf(reply);
  } else {
    const int64_t next = std::get<scheduler::BatchReply>(reply.body).next_offset;
    v1::SubmitJobsResponse response;
    response.set_resume_offset(next);
    {
      base::MutexLock lock(mutex_);
      resume_offset_ = next;
      next_offset_ = next;
      outgoing_.push_back(wire::ToBuffer(response));
    }
    if (first.has_job()) refusal = TakeItem(std::move(first));
  }
  base::MutexLock lock(mutex_);
  placing_ = false;  // not before: until here nothing more is read
  if (refusal) EndWith(*refusal);
  Move();
}

std::optional<wire::Refusal> BatchCall::TakeItem(v1::SubmitJobsRequest request) {
  const int64_t offset = request.offset();
  {
    base::MutexLock lock(mutex_);
    if (ending_) return std::nullopt;
    if (offset >= 0 && offset < resume_offset_) return std::nullopt;  // it has its answer
    if (offset != next_offset_) {
      return InvalidField("offset", "is " + std::to_string(offset) + "; item " +
                                        std::to_string(next_offset_) + " is next");
    }
  }
  auto item = std::make_shared<Item>();
  item->offset = offset;
  item->bytes = request.ByteSizeLong();
  item->command.principal = principal_;
  auto made = MakeSubmission(std::move(*request.mutable_job()), principal_, around_.admission);

  base::MutexLock lock(mutex_);
  if (ending_) return std::nullopt;  // meanwhile: what comes from here on is not posted
  if (auto* refusal = std::get_if<wire::Refusal>(&made)) {
    item->refused = std::move(*refusal);
    item->command.body = state::NoteBatchRefusal{.batch_id = batch_id_, .batch_offset = offset};
  } else {
    auto& submission = std::get<Submission>(made);
    submission.command.batch_id = batch_id_;
    submission.command.batch_offset = offset;
    item->command.body = std::move(submission.command);
    item->notes = std::move(submission.notes);
  }
  ++next_offset_;
  held_ = std::move(item);
  PostHeld();
  return std::nullopt;
}

void BatchCall::PostHeld() {
  if (held_ == nullptr) return;
  const absl::Status posted =
      around_.loop.Post(state::CommandClass::kSubmissions, held_->command,
                        [self = shared_from_this(), item = held_](const scheduler::Reply& reply) {
                          self->OnItemAnswered(*item, reply);
                        });
  if (posted.ok()) {
    ++items_under_way_;
    bytes_under_way_ += held_->bytes;
    held_ = nullptr;
  } else if (!absl::IsResourceExhausted(posted) || items_under_way_ == 0) {
    // The client goes on from the last offset that was acknowledged.
    EndWith(wire::RefusalOf(posted));
  }
}

void BatchCall::OnItemAnswered(const Item& item, const scheduler::Reply& reply) {
  v1::SubmitJobsResponse response;
  response.set_offset(item.offset);
  if (!reply.status.ok()) {
    *response.mutable_error() = ToItemError(SubmissionRefusal(reply));
  } else if (item.refused) {
    *response.mutable_error() = ToItemError(*item.refused);
  } else {
    *response.mutable_admitted() =
        SubmissionAnswer(reply, std::get<scheduler::SubmitReply>(reply.body), item.notes);
  }
  grpc::ByteBuffer bytes = wire::ToBuffer(response);

  base::MutexLock lock(mutex_);
  --items_under_way_;
  bytes_under_way_ -= item.bytes;
  if (IsOutOfPlace(reply)) {
    EndWith(RefusalOf(reply));
  } else {
    outgoing_.push_back(std::move(bytes));
  }
  PostHeld();
  Move();
}

void BatchCall::OnWriteDone(bool ok) {
  base::MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) gone_ = true;
  Move();
}

void BatchCall::OnCancel() {
  base::MutexLock lock(mutex_);
  gone_ = true;
  Move();
}

void BatchCall::End(const wire::Refusal& refusal) {
  base::MutexLock lock(mutex_);
  EndWith(refusal);
  Move();
}

void BatchCall::OnDone() {
  std::shared_ptr<BatchCall> self;
  {
    base::MutexLock lock(mutex_);
    self.swap(self_);
    if (!batch_id_.empty()) around_.batches.Leave(principal_.name, batch_id_, this);
  }
  around_.open_calls.Remove(self);
}

void BatchCall::EndWith(const wire::Refusal& refusal) {
  if (!ending_) ending_ = wire::ToGrpcStatus(refusal);
  held_ = nullptr;
}

void BatchCall::Move() {
  if (finished_) return;
  if (gone_) {
    outgoing_.clear();
    if (!ending_) ending_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
    held_ = nullptr;
  }
  if (!writing_ && !outgoing_.empty()) {
    message_ = std::move(outgoing_.front());
    outgoing_.pop_front();
    grpc::WriteOptions options;
    // Not for the first: gRPC completes it together with the call's headers, and those only when
    // something is sent.
    if (has_written_ && !outgoing_.empty()) options.set_buffer_hint();
    has_written_ = true;
    writing_ = true;
    StartWrite(&message_, options);
  }
  if (writing_) {
    // What has been written last says whether to finish.
  } else if (gone_ ||
             (items_under_way_ == 0 && held_ == nullptr && !placing_ && (ending_ || reads_done_))) {
    finished_ = true;
    Finish(ending_.value_or(grpc::Status::OK));
    return;
  }
  // Answers that nobody has read yet take room too.
  const bool has_room = items_under_way_ + outgoing_.size() < around_.limits.most_items &&
                        bytes_under_way_ < around_.limits.most_bytes;
  if (!reading_ && !reads_done_ && !ending_ && !placing_ && held_ == nullptr && has_room) {
    reading_ = true;
    StartRead(&incoming_);
  }
}

}  // namespace berth::api
