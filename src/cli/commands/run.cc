// berth run: submits a job, follows it, and ends as it ends.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/follow_job.h"
#include "cli/job_ending.h"
#include "cli/output/terminal_text.h"
#include "cli/rpc_status.h"
#include "cli/run_view.h"
#include "cli/submission.h"
#include "cli/task_flags.h"

namespace berth::cli {
namespace {

constexpr int kExitInterrupted = 130;  // 128 + SIGINT
constexpr int kExitBrokenPipe = 141;   // 128 + SIGPIPE

// An error of Berth's own before the task ran: usage keeps its code, everything else is 125, so
// that it cannot be mistaken for the task's.
absl::StatusOr<int> Fail(Invocation& invocation, const absl::Status& status) {
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
  if (!cancelled.ok()) return Fail(invocation, cancelled.status());
  absl::Status status = absl::FailedPreconditionError(text);
  if (invocation.wants_document()) {
    status.SetPayload("berth.dev/reason", absl::Cord("NEVER_FITS"));
    return Fail(invocation, status);
  }
  invocation.PrintError(text + "\n");
  return kExitBerthFailed;
}

absl::StatusOr<int> Run(const TaskFlags& flags, Invocation& invocation) {
  const Process& process = invocation.process();
  BERTH_ASSIGN_OR_RETURN(v1::JobSpec job, BuildJob(flags, invocation));
  const base::UniqueFd interrupts = process.open_interrupts();
  const absl::StatusOr<v1::SubmitJobResponse> submitted =
      Submit(invocation, std::move(job), flags.request_id);
  if (!submitted.ok()) return Fail(invocation, submitted.status());
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
  const absl::StatusOr<FollowResult> result = FollowJob(*client, *process.clock, follow, *view);
  if (!result.ok()) return Fail(invocation, result.status());
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
  return result->cancelled_by_us && code == kExitBerthFailed ? kExitInterrupted : code;
}

}  // namespace

Action AddRun(CLI::App& app) {
  const auto flags = std::make_shared<TaskFlags>();
  AddTaskFlags(app, *flags);
  return [flags](Invocation& invocation) { return Run(*flags, invocation); };
}

}  // namespace berth::cli
