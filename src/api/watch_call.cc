#include "api/watch_call.h"

#include <utility>

#include "api/errors.h"
#include "api/ids.h"
#include "base/strings.h"
#include "berth/v1/scheduler.pb.h"
#include "wire/message_buffer.h"
#include "wire/names.h"

namespace berth::api {
namespace {

wire::Refusal TooSlow(uint64_t epoch) {
  return {.code = absl::StatusCode::kAborted,
          .reason = Reason::kTooSlow,
          .message = "this watch does not keep up with the changes; go on from epoch " +
                     std::to_string(epoch),
          .metadata = {{"epoch", std::to_string(epoch)}}};
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchCall::Start(const Surroundings& surroundings,
                                                             grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request) {
  const std::shared_ptr<WatchCall> call(new WatchCall(surroundings));
  {
    base::MutexLock lock(call->mutex_);
    call->self_ = call;
  }
  surroundings.open_calls.Add(call);
  if (const auto refusal = call->Begin(context, request)) call->End(*refusal);
  return call.get();
}

std::optional<wire::Refusal> WatchCall::Begin(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* bytes) {
  auto principal = around_.authorizer.PrincipalOf(context->peer());
  if (!principal.ok()) return wire::RefusalOf(principal.status());
  v1::WatchRequest request;
  grpc::ByteBuffer buffer(*bytes);
  if (const absl::Status parsed = wire::ParseMessage(buffer, request); !parsed.ok()) {
    return wire::RefusalOf(parsed);
  }

  WatchFilter filter;
  filter.principal = *principal;
  if (request.kinds_size() == 0) return InvalidField("kinds", "is empty; say what to watch");
  for (int i = 0; i < request.kinds_size(); ++i) {
    switch (request.kinds(i)) {
      case v1::OBJECT_KIND_JOB:
        filter.jobs = true;
        break;
      case v1::OBJECT_KIND_TASK:
        filter.tasks = true;
        break;
      case v1::OBJECT_KIND_NODE:
        filter.nodes = true;
        break;
      default:
        return InvalidField("kinds[" + std::to_string(i) + "]", "is not JOB, TASK or NODE");
    }
  }
  if (!request.job_id().empty()) {
    const auto job = ParseJobId(request.job_id());
    if (!job.ok()) return InvalidField("job_id", base::S(job.status().message()));
    filter.job = *job;
  }
  if (!request.namespace_().empty() && !wire::kNamespaceName.matches(request.namespace_())) {
    return InvalidField("namespace", std::string("must match ") + wire::kNamespaceName.pattern);
  }
  filter.ns = request.namespace_();

  state::CatchUp command;
  if (request.has_from_epoch()) command.from_epoch = request.from_epoch();
  command.jobs = filter.jobs;
  command.tasks = filter.tasks;
  command.nodes = filter.nodes;
  command.job = filter.job;
  command.ns = filter.ns;
  queue_.emplace(std::move(filter), request.from_epoch());
  const absl::Status posted = around_.loop.Post(
      state::CommandClass::kOperators,
      {.principal = *std::move(principal), .body = std::move(command)},
      [self = shared_from_this()](scheduler::Reply reply) { self->OnCaughtUp(std::move(reply)); });
  if (!posted.ok()) return wire::RefusalOf(posted);
  return std::nullopt;
}

void WatchCall::OnCaughtUp(scheduler::Reply reply) {
  if (!reply.status.ok()) {
    End(RefusalOf(reply));
    return;
  }
  // Here and not later: changes after this reply come to those who are subscribed by now.
  const uint64_t id = around_.loop.watches().Subscribe(shared_from_this());
  {
    base::MutexLock lock(mutex_);
    if (!finished_) {
      subscription_ = id;
      caught_up_ = std::move(reply);
      Wake();
      return;
    }
  }
  around_.loop.watches().Unsubscribe(id);  // the reader went before it began
}

void WatchCall::OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) {
  base::MutexLock lock(mutex_);
  if (finished_ || ending_) return;
  noted_.push_back(batch);
  noted_changes_ += batch->changes.size();
  if (noted_changes_ > around_.limits.most_changes) {
    // Nobody has looked at them for long: the answering thread is behind as a whole.
    ending_ = wire::ToGrpcStatus(
        {.code = absl::StatusCode::kAborted,
         .reason = Reason::kTooSlow,
         .message = "berthd does not keep up with its watchers; go on from the last epoch seen"});
    noted_.clear();
  }
  Wake();
}

void WatchCall::OnWriteDone(bool ok) {
  base::MutexLock lock(mutex_);
  writing_ = false;
  if (!ok && !ending_) ending_ = grpc::Status(grpc::StatusCode::CANCELLED, "the reader is gone");
  Wake();
}

void WatchCall::OnCancel() {
  base::MutexLock lock(mutex_);
  if (!ending_) ending_ = grpc::Status(grpc::StatusCode::CANCELLED, "the reader is gone");
  Wake();
}

void WatchCall::End(const wire::Refusal& refusal) {
  base::MutexLock lock(mutex_);
  if (!ending_) ending_ = wire::ToGrpcStatus(refusal);
  Wake();
}

void WatchCall::OnDone() {
  std::shared_ptr<WatchCall> self;
  {
    base::MutexLock lock(mutex_);
    self.swap(self_);
  }
  around_.open_calls.Remove(self);
}

void WatchCall::Wake() {
  if (step_posted_ || finished_) return;
  step_posted_ = true;
  around_.answers.Post([self = shared_from_this()] { self->Step(); });
}

bool WatchCall::SomethingToSay() const {
  if (!established_ || !queue_->empty()) return true;
  return queue_->epoch() >= queue_->taken_epoch() + around_.limits.bookmark_epochs;
}

void WatchCall::Step() {
  std::optional<scheduler::Reply> caught_up;
  std::vector<std::shared_ptr<const state::ChangeBatch>> noted;
  std::optional<grpc::Status> status;
  std::optional<uint64_t> subscription;
  bool writing = false;
  bool following = false;
  {
    base::MutexLock lock(mutex_);
    step_posted_ = false;
    if (finished_) return;
    caught_up.swap(caught_up_);
    noted.swap(noted_);
    noted_changes_ = 0;
    writing = writing_;
    following = subscription_.has_value();
    // A message under way is let go first: its buffer is ours until then.
    if (ending_ && !writing_) {
      finished_ = true;
      status = ending_;
      subscription = std::exchange(subscription_, std::nullopt);
    }
  }
  if (status) {
    if (subscription) around_.loop.watches().Unsubscribe(*subscription);
    Finish(*status);
    return;
  }
  if (!following) return;

  if (caught_up) {
    auto& changes = std::get<scheduler::CatchUpReply>(caught_up->body).changes;
    most_objects_ = around_.limits.most_objects + changes.size();
    queue_->AddCatchUp(std::move(changes), caught_up->epoch);
  }
  for (const auto& batch : noted) queue_->AddBatch(batch);
  if (queue_->size() > most_objects_) {
    End(TooSlow(queue_->taken_epoch()));
    return;
  }
  if (writing || !SomethingToSay()) return;
  v1::WatchResponse response;
  queue_->Take(around_.limits.message_bytes, response);
  message_ = wire::ToBuffer(response);
  established_ = true;
  {
    base::MutexLock lock(mutex_);
    writing_ = true;
  }
  StartWrite(&message_);
}

}  // namespace berth::api
