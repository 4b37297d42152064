#include "cli/follow_job.h"

#include <grpcpp/support/async_unary_call.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/event_stream.h"
#include "cli/interrupt_dialogue.h"
#include "cli/log_reader.h"
#include "cli/names.h"
#include "cli/patience.h"
#include "cli/person_relay.h"
#include "cli/raw_terminal.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

// A leg of the watch that lived for this long had reached berthd (gRPC gives up dialling after 20
// s).
constexpr int64_t kSurelyConnectedMs = 25'000;
// How long after the job's end its output is asked for again.
constexpr int64_t kOutputPatienceMs = 10'000;
constexpr int64_t kFirstRetryMs = 50;
constexpr int64_t kLongestRetryMs = 2'000;
// Log streams at once; tasks beyond wait, their output stays on its node.
constexpr std::size_t kMostLogStreams = 32;

// The request to cancel, once.
class CancelCall final : public Event {
 public:
  CancelCall(Client& client, grpc::CompletionQueue* queue, const std::string& job_id) {
    client.SetUnaryDeadline(context_);
    v1::CancelRequest request;
    request.add_ids(job_id);
    request.set_message("interrupted");
    call_ = client.jobs().AsyncCancel(&context_, request, queue);
    call_->Finish(&response_, &status_, static_cast<Event*>(this));
  }

  void Proceed(bool) override { finished_ = true; }
  void Cancel() { context_.TryCancel(); }
  bool finished() const { return finished_; }
  const grpc::Status& status() const { return status_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::CancelResponse>> call_;
  v1::CancelResponse response_;
  grpc::Status status_;
  bool finished_ = false;
};

// Doubling waits between tries.
class Backoff {
 public:
  // When the next try may be made.
  int64_t NextAfter(int64_t now_ms) {
    const int64_t at_ms = now_ms + wait_ms_;
    wait_ms_ = std::min(wait_ms_ * 2, kLongestRetryMs);
    return at_ms;
  }
  void Reset() { wait_ms_ = kFirstRetryMs; }

 private:
  int64_t wait_ms_ = kFirstRetryMs;
};

// The output of one attempt.
struct AttemptOutput {
  v1::Task task;
  std::string attempt_id;
  std::unique_ptr<EventStream<v1::LogsResponse>> stream;
  // Next byte wanted of standard output and of standard error.
  std::array<int64_t, 2> next = {0, 0};
  // Of this leg: what berthd had kept. It is shown when the node will not give more.
  std::vector<v1::LogsResponse> kept;
  Backoff backoff;
  std::optional<int64_t> dial_at_ms;
  bool done = false;
};

class Follower {
 public:
  Follower(Client& client, const base::Clock& clock, const FollowOptions& options,
           JobListener& listener)
      : client_(client),
        clock_(clock),
        options_(options),
        listener_(listener),
        epoch_(options.epoch),
        dialogue_(options.key_fd >= 0),
        relay_(options.interrupt_fd, options.key_fd, &queue_,
               [this](const PersonRelay::Said& said) {
                 if (said.termination) {
                   Do(dialogue_.OnTermination());
                 } else {
                   Do(said.interrupt ? dialogue_.OnInterrupt() : dialogue_.OnKey(said.key));
                 }
               }) {}

  absl::StatusOr<FollowResult> Run() {
    DialWatch();
    while (!IsOver()) {
      Turn();
      if (listener_.output_closed() && !cancel_) RequestCancel();
    }
    Close();
    result_.epoch = epoch_;
    if (!error_.ok()) return error_;
    return std::move(result_);
  }

 private:
  bool IsOver() const {
    if (!error_.ok() || result_.left || result_.running_attempt != 0) return true;
    // What the watch has said so far covers the end, and every byte of output is here.
    return ended_epoch_ && epoch_ >= *ended_epoch_ && outputs_.empty() && waiting_.empty();
  }

  // Waits for the next event or timer and handles it.
  void Turn() {
    void* tag = nullptr;
    bool ok = false;
    const int64_t now_ms = clock_.MonotonicMs();
    const int64_t wait_ms = std::max<int64_t>(NextTimerMs(now_ms) - now_ms, 0);
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(wait_ms, GPR_TIMESPAN));
    if (queue_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) {
      static_cast<Event*>(tag)->Proceed(ok);
    }
    RunTimers(clock_.MonotonicMs());
  }

  int64_t NextTimerMs(int64_t now_ms) const {
    int64_t next = now_ms + 3'600'000;
    if (dial_watch_at_ms_) next = std::min(next, *dial_watch_at_ms_);
    if (cancel_at_ms_) next = std::min(next, *cancel_at_ms_);
    for (const AttemptOutput& output : outputs_) {
      if (output.dial_at_ms) next = std::min(next, *output.dial_at_ms);
    }
    if (const auto tick = listener_.tick_at_ms()) next = std::min(next, *tick);
    return next;
  }

  void RunTimers(int64_t now_ms) {
    if (cancel_ && cancel_->finished() && !cancel_at_ms_) OnCancelAnswer(now_ms);
    if (cancel_at_ms_ && now_ms >= *cancel_at_ms_) SendCancel();
    if (const auto tick = listener_.tick_at_ms(); tick && now_ms >= *tick) listener_.Tick(now_ms);
    if (dial_watch_at_ms_ && now_ms >= *dial_watch_at_ms_) DialWatch();
    for (AttemptOutput& output : outputs_) {
      if (output.dial_at_ms && now_ms >= *output.dial_at_ms) DialOutput(output);
    }
    std::erase_if(outputs_, [](const AttemptOutput& output) {
      return output.done && (!output.stream || output.stream->finished());
    });
    while (outputs_.size() < kMostLogStreams && !waiting_.empty()) {
      outputs_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      DialOutput(outputs_.back());
    }
  }

  // ---- the watch ----

  void DialWatch() {
    dial_watch_at_ms_.reset();
    watch_dialled_ms_ = clock_.MonotonicMs();
    if (must_list_ && !List()) return;
    auto context = std::make_unique<grpc::ClientContext>();
    client_.SetWatchDeadline(*context);
    v1::WatchRequest request;
    request.add_kinds(v1::OBJECT_KIND_JOB);
    request.add_kinds(v1::OBJECT_KIND_TASK);
    request.set_job_id(options_.job_id);
    request.set_from_epoch(epoch_);
    watch_ = std::make_unique<EventStream<v1::WatchResponse>>(
        &queue_, std::move(context),
        [&](grpc::ClientContext* dialled, grpc::CompletionQueue* queue) {
          return client_.jobs().PrepareAsyncWatch(dialled, request, queue);
        },
        [this](v1::WatchResponse& response) { OnWatch(response); },
        [this](const grpc::Status& status) { OnWatchEnd(status); });
  }

  void OnWatch(v1::WatchResponse& response) {
    if (closing_) return;
    patience_.Renew();
    watch_backoff_.Reset();
    for (const v1::WatchEvent& event : response.events()) {
      if (event.has_task()) OnTask(event.task());
      if (event.has_job()) OnJob(event.job(), event.epoch());
    }
    epoch_ = std::max<uint64_t>(epoch_, response.epoch());
  }

  void OnWatchEnd(const grpc::Status& status) {
    if (closing_) return;
    const int64_t now_ms = clock_.MonotonicMs();
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
      case grpc::StatusCode::UNAVAILABLE:
      case grpc::StatusCode::DEADLINE_EXCEEDED:
      case grpc::StatusCode::RESOURCE_EXHAUSTED:
      case grpc::StatusCode::CANCELLED:
      case grpc::StatusCode::INTERNAL:
      case grpc::StatusCode::UNKNOWN:
      case grpc::StatusCode::ABORTED:  // we fell behind: on from the last epoch that we saw
        break;
      case grpc::StatusCode::OUT_OF_RANGE:  // that epoch is not kept any more
        must_list_ = true;
        break;
      default:
        error_ = client_.Explain(status);
        return;
    }
    NoteLostContact(status, now_ms);
    dial_watch_at_ms_ = watch_backoff_.NextAfter(now_ms);
  }

  void NoteLostContact(const grpc::Status& status, int64_t now_ms) {
    // These end a healthy watch: a silent hour, a reader that was too slow.
    if (status.ok() || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
        status.error_code() == grpc::StatusCode::ABORTED ||
        status.error_code() == grpc::StatusCode::OUT_OF_RANGE) {
      return;
    }
    if (now_ms - watch_dialled_ms_ > kSurelyConnectedMs) patience_.Renew();
    if (patience_.Miss()) {
      listener_.OnContactLost(base::S(client_.Explain(status).message()));
    }
    if (!patience_.IsOver()) return;
    const absl::Status why = client_.Explain(status);
    error_ = WithMessage(why, base::S(why.message()) + "; job " + options_.job_id +
                                  " goes on without us: 'berth wait " + options_.job_id + "'");
  }

  // Reads everything anew where the changes between are no longer kept. False: to be tried again.
  bool List() {
    v1::GetJobRequest get;
    get.set_job_id(options_.job_id);
    const auto job = client_.Call(client_.jobs(), &v1::JobService::Stub::GetJob, get);
    v1::ListTasksRequest list;
    list.set_job_id(options_.job_id);
    list.set_page_size(1000);
    uint64_t first_epoch = 0;
    absl::Status status = job.status();
    std::vector<v1::Task> tasks;
    while (status.ok()) {
      auto page = client_.Call(client_.jobs(), &v1::JobService::Stub::ListTasks, list);
      status = page.status();
      if (!status.ok()) break;
      if (first_epoch == 0) first_epoch = page->epoch();
      for (v1::Task& task : *page->mutable_tasks()) tasks.push_back(std::move(task));
      if (page->next_page_token().empty()) break;
      list.set_page_token(page->next_page_token());
    }
    if (!status.ok()) {
      OnWatchEnd(
          grpc::Status(static_cast<grpc::StatusCode>(status.code()), base::S(status.message())));
      return false;
    }
    must_list_ = false;
    epoch_ = first_epoch;
    for (const v1::Task& task : tasks) OnTask(task);
    OnJob(job->job(), std::min<uint64_t>(job->epoch(), first_epoch));
    return true;
  }

  void OnJob(const v1::Job& job, uint64_t epoch) {
    result_.job = job;
    listener_.OnJob(job);
    if (HasEnded(job.state()) && !ended_epoch_) {
      ended_epoch_ = epoch;
      ended_at_ms_ = clock_.MonotonicMs();
    }
  }

  // ---- output ----

  void OnTask(const v1::Task& task) {
    listener_.OnTask(task);
    const v1::Attempt& attempt = task.attempt();
    const bool started = attempt.started_unix_ms() > 0 || task.state() == v1::TASK_STATE_RUNNING;
    const std::size_t hash = attempt.id().rfind('#');
    if (!started || hash == std::string::npos) return;
    if (options_.console_after && attempt.number() > *options_.console_after &&
        task.state() == v1::TASK_STATE_RUNNING) {
      result_.running_attempt = attempt.number();
    }
    // Attempts that came and went between two messages have output, too.
    int32_t& known =
        attempts_known_.try_emplace(task.id(), options_.attached_through).first->second;
    if (result_.running_attempt != 0) return;
    // Numbers leap at a restore: no more of them than there were attempts.
    const int32_t first = std::max(known + 1, attempt.number() - std::max(task.attempts(), 1) + 1);
    for (int32_t number = first; number <= attempt.number(); ++number) {
      AttemptOutput output;
      output.task = task;
      output.attempt_id = attempt.id().substr(0, hash + 1) + std::to_string(number);
      waiting_.push_back(std::move(output));
    }
    known = std::max(known, attempt.number());
  }

  void DialOutput(AttemptOutput& output) {
    output.dial_at_ms.reset();
    auto context = std::make_unique<grpc::ClientContext>();
    client_.SetLogsDeadline(*context);
    v1::LogsRequest request;
    request.set_id(output.attempt_id);
    request.set_follow(true);
    output.stream = std::make_unique<EventStream<v1::LogsResponse>>(
        &queue_, std::move(context),
        [&](grpc::ClientContext* dialled, grpc::CompletionQueue* queue) {
          return client_.jobs().PrepareAsyncLogs(dialled, request, queue);
        },
        [this, &output](v1::LogsResponse& response) { OnLogs(output, response); },
        [this, &output](const grpc::Status& status) { OnLogsEnd(output, status); });
  }

  void OnLogs(AttemptOutput& output, const v1::LogsResponse& response) {
    if (closing_) return;
    if (response.kept()) {
      output.kept.push_back(response);
      return;
    }
    output.backoff.Reset();
    TellOfGap(output, response,
              std::string(" are gone: the task wrote them faster than they were read, and ") +
                  kNodeKeeps);
    Tell(output, response);
  }

  // What lies between the last that came of a stream and this.
  void TellOfGap(const AttemptOutput& output, const v1::LogsResponse& response,
                 const std::string& why) {
    const bool is_stderr = response.stream() == v1::OUTPUT_STREAM_STDERR;
    const int64_t missing = response.offset() - output.next[is_stderr ? 1 : 0];
    if (missing <= 0) return;
    listener_.OnOutputLost(output.task, base::FormatBytes(missing, base::Rounding::kDown) + " of " +
                                            (is_stderr ? "standard error" : "standard output") +
                                            why);
  }

  void Tell(AttemptOutput& output, const v1::LogsResponse& response) {
    const bool is_stderr = response.stream() == v1::OUTPUT_STREAM_STDERR;
    int64_t& next = output.next[is_stderr ? 1 : 0];
    std::string_view bytes = response.data();
    // After a break the stream starts anew: what was told is skipped.
    const int64_t told = std::max<int64_t>(next - response.offset(), 0);
    if (told >= static_cast<int64_t>(bytes.size())) return;
    bytes.remove_prefix(static_cast<std::size_t>(told));
    next = response.offset() + static_cast<int64_t>(response.data().size());
    listener_.OnOutput(output.task, is_stderr, bytes);
  }

  void OnLogsEnd(AttemptOutput& output, const grpc::Status& status) {
    if (closing_) return;
    const int64_t now_ms = clock_.MonotonicMs();
    const bool patient = !ended_at_ms_ || now_ms - *ended_at_ms_ < kOutputPatienceMs;
    const std::vector<v1::LogsResponse> kept = std::exchange(output.kept, {});
    if (status.ok() || !patient) {
      for (const v1::LogsResponse& response : kept) {
        TellOfGap(output, response,
                  " before its end are gone with the node, or cannot be had from it now");
        Tell(output, response);
      }
    }
    if (status.ok()) {
      output.done = true;
    } else if (patient) {
      output.dial_at_ms = output.backoff.NextAfter(now_ms);
    } else {
      output.done = true;
      listener_.OnOutputLost(output.task, base::S(client_.Explain(status).message()));
    }
  }

  // ---- interrupts ----

  void Do(InterruptDialogue::Step step) {
    switch (step) {
      case InterruptDialogue::Step::kNothing:
        return;
      case InterruptDialogue::Step::kAsk:
        keys_.emplace(options_.key_fd, RawTerminal::Mode::kKeys);
        relay_.Ask(true);
        listener_.OnAsking();
        return;
      case InterruptDialogue::Step::kDetach:
        result_.left = true;
        result_.detached = true;
        return;
      case InterruptDialogue::Step::kCancel:
        relay_.Ask(false);
        keys_.reset();
        if (!cancel_) RequestCancel();
        return;
      case InterruptDialogue::Step::kLeave:
        result_.left = true;
        return;
    }
  }

  void RequestCancel() {
    listener_.OnCancelling();
    result_.cancelled_by_us = true;
    SendCancel();
  }

  // A wish that did not arrive is sent again; one that was refused is not.
  void OnCancelAnswer(int64_t now_ms) {
    const grpc::Status& status = cancel_->status();
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      cancel_at_ms_ = cancel_backoff_.NextAfter(now_ms);
    } else if (!status.ok() && !cancel_refused_) {
      cancel_refused_ = true;
      listener_.OnCancelRefused(base::S(client_.Explain(status).message()));
    }
  }

  void SendCancel() {
    cancel_at_ms_.reset();
    cancel_ = std::make_unique<CancelCall>(client_, &queue_, options_.job_id);
  }

  // Takes every call off the queue; destroying one in flight is not allowed.
  void Close() {
    closing_ = true;
    relay_.Stop();
    if (watch_) watch_->Cancel();
    if (cancel_) cancel_->Cancel();
    for (AttemptOutput& output : outputs_) {
      if (output.stream) output.stream->Cancel();
    }
    // A queue that is shut down takes no further step, and a call that is cancelled has one left.
    void* tag = nullptr;
    bool ok = false;
    while (!AllFinished() && queue_.Next(&tag, &ok)) {
      if (tag != static_cast<Event*>(&relay_)) static_cast<Event*>(tag)->Proceed(ok);
    }
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {  // interrupts that nobody heeds any more
    }
  }

  bool AllFinished() const {
    return (!watch_ || watch_->finished()) && (!cancel_ || cancel_->finished()) &&
           std::all_of(outputs_.begin(), outputs_.end(), [](const AttemptOutput& output) {
             return !output.stream || output.stream->finished();
           });
  }

  Client& client_;
  const base::Clock& clock_;
  const FollowOptions& options_;
  JobListener& listener_;

  grpc::CompletionQueue queue_;
  std::unique_ptr<EventStream<v1::WatchResponse>> watch_;
  std::optional<int64_t> dial_watch_at_ms_;
  int64_t watch_dialled_ms_ = 0;
  Backoff watch_backoff_;
  uint64_t epoch_;
  bool must_list_ = false;
  Patience patience_{clock_};

  // A list: streams point to their element.
  std::list<AttemptOutput> outputs_;
  std::deque<AttemptOutput> waiting_;
  // Attempts of each task whose output is here or on its way.
  std::map<std::string, int32_t> attempts_known_;

  std::optional<uint64_t> ended_epoch_;
  std::optional<int64_t> ended_at_ms_;
  std::unique_ptr<CancelCall> cancel_;
  std::optional<int64_t> cancel_at_ms_;
  Backoff cancel_backoff_;
  bool cancel_refused_ = false;
  bool closing_ = false;
  FollowResult result_;
  absl::Status error_;
  InterruptDialogue dialogue_;
  std::optional<RawTerminal> keys_;  // while asking
  // Last: its thread uses the queue.
  PersonRelay relay_;
};

}  // namespace

absl::StatusOr<FollowResult> FollowJob(Client& client, const base::Clock& clock,
                                       const FollowOptions& options, JobListener& listener) {
  return Follower(client, clock, options, listener).Run();
}

}  // namespace berth::cli
