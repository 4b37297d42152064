// berth wait: returns when jobs or tasks have ended.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/job_ending.h"
#include "cli/names.h"
#include "cli/output/message_value.h"
#include "cli/patience.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

struct WaitFlags {
  std::vector<std::string> ids;
  std::string timeout;
};

// What is waited for, as last seen.
struct Waited {
  Selector selector;
  v1::Job job;
  std::optional<v1::Task> task;  // when a task was named

  bool ended() const { return task ? HasEnded(task->state()) : HasEnded(job.state()); }
  bool succeeded() const {
    return task ? task->state() == v1::TASK_STATE_SUCCEEDED
                : job.state() == v1::JOB_STATE_SUCCEEDED;
  }
};

class Waiter {
 public:
  Waiter(Invocation& invocation, Client& client, std::optional<int64_t> give_up_ms)
      : invocation_(invocation), client_(client), give_up_ms_(give_up_ms) {}

  // Returns when `waited` has ended, or DeadlineExceeded when the person's own time is up.
  absl::Status Wait(Waited& waited) {
    uint64_t epoch = 0;
    // A berthd that was never reached is not waited for; one that goes away later is.
    BERTH_RETURN_IF_ERROR(Get(waited, epoch));
    bool look = false;
    Patience patience(*invocation_.process().clock);
    while (!waited.ended()) {
      const absl::Status status = look ? Get(waited, epoch) : Watch(waited, epoch);
      if (waited.ended()) break;
      if (IsTimeUp()) return absl::DeadlineExceededError("still running");
      if (status.ok() || status.code() == absl::StatusCode::kDeadlineExceeded ||
          status.code() == absl::StatusCode::kAborted) {
        look = false;
        patience.Renew();
      } else if (status.code() == absl::StatusCode::kOutOfRange) {
        // What changed since is no longer kept: look at what is now.
        look = true;
      } else if (IsPassing(status)) {
        patience.Miss();
        if (patience.IsOver()) return status;
        std::this_thread::sleep_for(kRetryPause);
      } else {
        return status;
      }
    }
    return absl::OkStatus();
  }

 private:
  bool IsTimeUp() const {
    return give_up_ms_ && invocation_.process().clock->MonotonicMs() >= *give_up_ms_;
  }

  // Reads the present state, and the epoch from which a watch goes on.
  absl::Status Get(Waited& waited, uint64_t& epoch) {
    if (waited.selector.is_task()) {
      v1::GetTaskRequest request;
      request.set_task_id(waited.selector.id);
      BERTH_ASSIGN_OR_RETURN(const v1::GetTaskResponse answer,
                             client_.Call(client_.jobs(), &v1::JobService::Stub::GetTask, request));
      waited.task = answer.task();
      epoch = answer.epoch();
      return absl::OkStatus();
    }
    v1::GetJobRequest request;
    request.set_job_id(waited.selector.id);
    BERTH_ASSIGN_OR_RETURN(const v1::GetJobResponse answer,
                           client_.Call(client_.jobs(), &v1::JobService::Stub::GetJob, request));
    waited.job = answer.job();
    epoch = answer.epoch();
    return absl::OkStatus();
  }

  // One leg of the watch: until the end, or until the stream breaks. `epoch` moves on.
  absl::Status Watch(Waited& waited, uint64_t& epoch) {
    grpc::ClientContext context;
    client_.SetWatchDeadline(context);
    if (give_up_ms_) {
      const int64_t left_ms = *give_up_ms_ - invocation_.process().clock->MonotonicMs();
      context.set_deadline(std::min(context.deadline(),
                                    std::chrono::system_clock::now() +
                                        std::chrono::milliseconds(std::max<int64_t>(left_ms, 0))));
    }
    v1::WatchRequest request;
    request.add_kinds(waited.task ? v1::OBJECT_KIND_TASK : v1::OBJECT_KIND_JOB);
    request.set_job_id(waited.selector.job());
    request.set_from_epoch(epoch);
    const auto stream = client_.jobs().Watch(&context, request);
    v1::WatchResponse response;
    while (stream->Read(&response)) {
      for (const v1::WatchEvent& event : response.events()) {
        if (event.has_job() && !waited.task) waited.job = event.job();
        if (event.has_task() && waited.task && event.task().id() == waited.task->id()) {
          waited.task = event.task();
        }
      }
      epoch = std::max<uint64_t>(epoch, response.epoch());
      if (waited.ended()) context.TryCancel();
    }
    const grpc::Status status = stream->Finish();
    return status.ok() ? absl::OkStatus() : client_.Explain(status);
  }

  Invocation& invocation_;
  Client& client_;
  const std::optional<int64_t> give_up_ms_;
};

std::string EndText(const Waited& waited, bool with_id) {
  std::string text = with_id ? waited.selector.id + ": " : "";
  if (!waited.task) return text + CountsText(waited.job.tasks());
  text += NameOf(waited.task->state());
  if (waited.task->state() == v1::TASK_STATE_FAILED) text += ": " + WhyItFailed(*waited.task);
  return text;
}

absl::StatusOr<int> RunWait(const WaitFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("wait"));
  std::optional<int64_t> give_up_ms;
  if (!flags.timeout.empty()) {
    const auto timeout = base::ParseDuration(flags.timeout);
    if (!timeout.ok()) {
      return absl::InvalidArgumentError("--timeout: " + base::S(timeout.status().message()));
    }
    give_up_ms = invocation.process().clock->MonotonicMs() + absl::ToInt64Milliseconds(*timeout);
  }
  if (flags.ids.empty()) {
    return absl::InvalidArgumentError(
        "nothing to wait for: name jobs or tasks, as in: berth wait "
        "12, or: berth wait last");
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors(flags.ids));
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());

  Waiter waiter(invocation, *client, give_up_ms);
  bool all_succeeded = true;
  bool timed_out = false;
  yaml::Value::List documents;
  for (const Selector& selector : selectors) {
    Waited waited;
    waited.selector = selector;
    const absl::Status status = waiter.Wait(waited);
    const bool late = status.code() == absl::StatusCode::kDeadlineExceeded && give_up_ms;
    if (!status.ok() && !late) return status;
    timed_out = timed_out || late;
    all_succeeded = all_succeeded && (late || waited.succeeded());
    if (invocation.wants_document()) {
      documents.push_back(waited.task ? MessageToValue(*waited.task) : MessageToValue(waited.job));
    } else if (!invocation.flags().quiet) {
      const bool with_id = selectors.size() > 1;
      invocation.Print(EndText(waited, with_id) + (late ? ", timed out\n" : "\n"));
    }
  }
  if (invocation.wants_document()) {
    invocation.PrintDocument(documents.size() == 1 ? documents[0]
                                                   : yaml::Value::Sequence(std::move(documents)));
  }
  if (timed_out) return kExitTimedOut;
  return all_succeeded ? 0 : 1;
}

}  // namespace

Action AddWait(CLI::App& app) {
  const auto flags = std::make_shared<WaitFlags>();
  app.add_option("ID", flags->ids, "Jobs or tasks: 12, 12.3, 1,3,5-8, last");
  app.add_option("--timeout", flags->timeout, "Give up after this long, with exit code 124")
      ->type_name("DURATION");
  return [flags](Invocation& invocation) { return RunWait(*flags, invocation); };
}

}  // namespace berth::cli
