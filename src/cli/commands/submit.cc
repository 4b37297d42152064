// berth submit: admits a job and returns.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/output/message_value.h"
#include "cli/output/terminal_text.h"
#include "cli/submission.h"
#include "cli/task_flags.h"

namespace berth::cli {
namespace {

absl::StatusOr<int> RunSubmit(TaskFlags& flags, const std::string& file, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(TakeJobFile("submit", file, invocation, flags));
  BERTH_ASSIGN_OR_RETURN(v1::JobSpec job, BuildJob(flags, invocation));
  BERTH_ASSIGN_OR_RETURN(const v1::SubmitJobResponse submitted,
                         Submit(invocation, std::move(job), flags.request_id));
  if (invocation.wants_document()) {
    invocation.PrintDocument(MessageToValue(submitted));
    return 0;
  }
  const bool never_fits = submitted.placeability() == v1::PLACEABILITY_NEVER_FITS;
  if (never_fits) {
    invocation.PrintError("berth: job " + submitted.job_id() + " " +
                          NeverFitsText(invocation, submitted) + "\n");
  }
  for (const std::string& warning : submitted.warnings()) {
    if (never_fits && warning.starts_with("cannot ever fit")) continue;
    invocation.PrintError("berth: " + TerminalText(warning) + "\n");
  }
  if (invocation.flags().format == OutputFormat::kName) {
    invocation.Print("job/" + submitted.job_id() + "\n");
    return 0;
  }
  if (invocation.flags().quiet) {
    invocation.Print(submitted.job_id() + "\n");
    return 0;
  }
  std::string text = "job " + submitted.job_id() + " submitted (" +
                     std::to_string(submitted.tasks()) +
                     (submitted.tasks() == 1 ? " task" : " tasks");
  if (invocation.wide()) {
    for (const std::string& value : submitted.defaults_applied()) {
      text += "; " + TerminalText(value) + " by default";
    }
  }
  invocation.Print(text + ")\n");
  return 0;
}

}  // namespace

Action AddSubmit(CLI::App& app) {
  struct Flags {
    TaskFlags task;
    std::string file;
  };
  const auto flags = std::make_shared<Flags>();
  app.add_option("FILE", flags->file, "Job file (YAML); - reads standard input");
  AddTaskFlags(app, flags->task);
  return
      [flags](Invocation& invocation) { return RunSubmit(flags->task, flags->file, invocation); };
}

}  // namespace berth::cli
