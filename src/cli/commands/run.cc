// berth run: submits a job, follows it, and ends as it ends.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/console_session.h"
#include "cli/exit_codes.h"
#include "cli/follow_job.h"
#include "cli/job_ending.h"
#include "cli/output/terminal_text.h"
#include "cli/rpc_status.h"
#include "cli/run_view.h"
#include "cli/submission.h"
#include "cli/task_flags.h"

namespace berth::cli {
namespace {

// An error of Berth's own before the task ran: usage keeps its code, everything else is 125, so
// that it cannot be mistaken for the task's.
absl::StatusOr<int> FailRun(Invocation& invocation, const absl::Status& status) {
  if (ExitCodeOf(status) == 2) return status;
  invocation.PrintFailure(status);
  return kExitBerthFailed;
}

absl::StatusOr<int> GiveUpNeverFitting(Invocation& invocation,
                                       const v1::SubmitJobResponse& submitted) {
  const std::string text = NeverFitsText(invocation, submitted);
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  v1::CancelRequest cancel;
  cancel.add_ids(submitted.job_id());
  cancel.set_message("it can never fit, and 'berth run' does not wait for what never comes");
  const auto cancelled = client->Call(client->jobs(), &v1::JobService::Stub::Cancel, cancel);
  if (!cancelled.ok()) return FailRun(invocation, cancelled.status());
  absl::Status status = absl::FailedPreconditionError(text);
  if (invocation.wants_document()) {
    status.SetPayload("berth.dev/reason", absl::Cord("NEVER_FITS"));
    return FailRun(invocation, status);
  }
  invocation.PrintError(text + "\n");
  return kExitBerthFailed;
}

bool HasConsole(const v1::JobSpec& job) {
  for (const v1::TaskGroup& group : job.groups()) {
    const v1::Console console = group.template_().payload().console();
    if (console == v1::CONSOLE_PIPE || console == v1::CONSOLE_TERMINAL) return true;
  }
  return false;
}

// There is one person to type.
absl::Status CheckConsole(const v1::JobSpec& job, const Invocation& invocation) {
  if (invocation.wants_document()) {
    return absl::InvalidArgumentError(
        "a task that is typed into shows what it writes as it comes: leave out -o");
  }
  if (job.groups_size() == 1 && !job.groups(0).has_array()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "a console goes with one task here: 'berth submit' the job, and 'berth attach' to its tasks "
      "one by one");
}

absl::StatusOr<ConsoleResult> ShowConsole(Invocation& invocation, Client& client, RunView& view,
                                          const std::string& job_id, int interrupt_fd,
                                          int window_fd) {
  view.ConsoleFollows();
  ConsoleOptions options;
  options.task_id = view.only_task()->attempt().id();
  options.from_start = true;
  options.interrupt_fd = interrupt_fd;
  options.window_fd = window_fd;
  options.cancel = [&] {
    v1::CancelRequest request;
    request.add_ids(job_id);
    request.set_message("interrupted");
    return client.Call(client.jobs(), &v1::JobService::Stub::Cancel, request).status();
  };
  return RunConsole(invocation, client, options);
}

// `again`: how to see it again.
void SayDetached(Invocation& invocation, const std::string& job_id, const std::string& again) {
  invocation.PrintError("\nberth: detached from job " + job_id + ", which goes on: 'berth " +
                        again + " " + job_id + "', 'berth wait " + job_id + "'\n");
}

absl::StatusOr<int> RunRun(const TaskFlags& flags, Invocation& invocation) {
  const Process& process = invocation.process();
  BERTH_ASSIGN_OR_RETURN(v1::JobSpec job, BuildJob(flags, invocation));
  const bool console = HasConsole(job);
  if (console) BERTH_RETURN_IF_ERROR(CheckConsole(job, invocation));
  const base::UniqueFd interrupts = process.open_interrupts();
  const base::UniqueFd windows = console ? process.open_window_changes() : base::UniqueFd();
  const absl::StatusOr<v1::SubmitJobResponse> submitted =
      Submit(invocation, std::move(job), flags.request_id);
  if (!submitted.ok()) return FailRun(invocation, submitted.status());
  if (submitted->placeability() == v1::PLACEABILITY_NEVER_FITS) {
    return GiveUpNeverFitting(invocation, *submitted);
  }

  RunScreen::Options look;
  look.terminal = process.on_terminal;
  look.quiet = invocation.flags().quiet;
  look.columns = process.columns;
  std::unique_ptr<RunView> view;
  RecordView* record = nullptr;
  if (invocation.wants_document()) {
    auto recording = std::make_unique<RecordView>(process, submitted->tasks());
    record = recording.get();
    view = std::move(recording);
  } else {
    view = std::make_unique<ScreenView>(look, process, submitted->tasks());
  }
  if (!look.quiet && !invocation.wants_document()) {
    for (const std::string& warning : submitted->warnings()) {
      invocation.PrintError("berth: " + TerminalText(warning) + "\n");
    }
  }
  view->Submitted(submitted->job_id());

  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  FollowOptions follow;
  follow.job_id = submitted->job_id();
  follow.epoch = submitted->epoch();
  follow.interrupt_fd = interrupts.get();
  if (process.in_is_terminal && process.on_terminal) follow.key_fd = process.stdin_fd;
  if (console) follow.console_after = 0;
  bool cancelled_by_us = false;
  absl::StatusOr<FollowResult> result = FollowJob(*client, *process.clock, follow, *view);
  while (result.ok() && result->running_attempt != 0) {
    const absl::StatusOr<ConsoleResult> shown = ShowConsole(
        invocation, *client, *view, submitted->job_id(), interrupts.get(), windows.get());
    follow.console_after = result->running_attempt;
    if (shown.ok()) {
      follow.attached_through = result->running_attempt;
      cancelled_by_us = cancelled_by_us || shown->cancelled_by_us;
      if (shown->end != ConsoleResult::End::kEnded) {
        SayDetached(invocation, submitted->job_id(), "attach");
        return shown->end == ConsoleResult::End::kDetached ? 0 : kExitInterrupted;
      }
    } else if (ReasonOf(shown.status()) != "TASK_NOT_RUNNING") {
      return FailRun(invocation, shown.status());
    }  // else it had ended: what it wrote is followed as of any other
    follow.epoch = result->epoch;
    result = FollowJob(*client, *process.clock, follow, *view);
  }
  if (!result.ok()) return FailRun(invocation, result.status());
  cancelled_by_us = cancelled_by_us || result->cancelled_by_us;
  if (result->detached) {
    SayDetached(invocation, submitted->job_id(), "logs -f");
    return 0;
  }
  if (result->left) {
    invocation.PrintError("\nberth: left job " + submitted->job_id() + " to itself: 'berth wait " +
                          submitted->job_id() + "'\n");
    return kExitInterrupted;
  }
  view->Ended(result->job);
  if (process.out->failed()) return kExitBrokenPipe;
  const int code = ExitCodeOf(result->job, view->only_task());
  if (record != nullptr) {
    invocation.PrintDocument(record->Document(result->job, code));
  } else if (look.quiet && code == kExitBerthFailed && view->only_task() != nullptr &&
             result->job.state() == v1::JOB_STATE_FAILED) {
    // It never ran: an error of ours, which -q does not hide.
    invocation.PrintError("berth: job " + result->job.id() +
                          " failed: " + TerminalText(WhyItFailed(*view->only_task())) + "\n");
  } else if (invocation.flags().format == OutputFormat::kName) {
    invocation.PrintError("job/" + result->job.id() + "\n");
  }
  // Cancelled by our own hand before anything ran: as a shell would say it.
  return cancelled_by_us && code == kExitBerthFailed ? kExitInterrupted : code;
}

}  // namespace

Action AddRun(CLI::App& app) {
  const auto flags = std::make_shared<TaskFlags>();
  AddTaskFlags(app, *flags);
  return [flags](Invocation& invocation) { return RunRun(*flags, invocation); };
}

}  // namespace berth::cli
