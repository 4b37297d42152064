// berth attach: types into a running task, and shows what it writes.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/console_session.h"
#include "cli/exit_codes.h"
#include "cli/job_ending.h"
#include "cli/names.h"
#include "cli/one_task.h"
#include "cli/patience.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

constexpr int64_t kEndPatienceMs = 10'000;

struct AttachFlags {
  std::string id;
  bool all = false;
  bool no_stdin = false;
};

absl::StatusOr<v1::Task> GetTask(Client& client, const std::string& id) {
  v1::GetTaskRequest request;
  request.set_task_id(id);
  BERTH_ASSIGN_OR_RETURN(v1::GetTaskResponse response,
                         client.Call(client.jobs(), &v1::JobService::Stub::GetTask, request));
  return std::move(*response.mutable_task());
}

// The task, when what its node has said of the attempt's end has reached berthd.
absl::StatusOr<v1::Task> AwaitEnd(Invocation& invocation, Client& client, const std::string& id,
                                  int32_t attempt) {
  const base::Clock& clock = *invocation.process().clock;
  const int64_t give_up_ms = clock.MonotonicMs() + kEndPatienceMs;
  while (true) {
    BERTH_ASSIGN_OR_RETURN(v1::Task task, GetTask(client, id));
    if (task.attempt().number() != attempt || task.attempt().ended_unix_ms() != 0 ||
        HasEnded(task.state()) || clock.MonotonicMs() > give_up_ms) {
      return task;
    }
    std::this_thread::sleep_for(kRetryPause);
  }
}

absl::StatusOr<int> RunAttach(const AttachFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("attach"));
  const Process& process = invocation.process();
  // Before the first thread.
  const base::UniqueFd interrupts = process.open_interrupts();
  const base::UniqueFd windows = process.open_window_changes();
  BERTH_ASSIGN_OR_RETURN(const std::string id, OneTask(invocation, flags.id, "attach"));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_ASSIGN_OR_RETURN(const v1::Task before, GetTask(*client, id));

  ConsoleOptions options;
  options.task_id = id;
  options.from_start = flags.all;
  options.no_input = flags.no_stdin;
  options.interrupt_fd = interrupts.get();
  options.window_fd = windows.get();
  options.cancel = [&] {
    v1::CancelRequest request;
    request.add_ids(before.id());
    request.set_message("interrupted");
    return client->Call(client->jobs(), &v1::JobService::Stub::Cancel, request).status();
  };
  BERTH_ASSIGN_OR_RETURN(const ConsoleResult result, RunConsole(invocation, *client, options));
  if (result.end != ConsoleResult::End::kEnded) {
    invocation.PrintError("\nberth: detached from task " + before.id() +
                          ", which goes on: 'berth attach " + before.id() + "'\n");
    return result.end == ConsoleResult::End::kDetached ? 0 : kExitInterrupted;
  }
  BERTH_ASSIGN_OR_RETURN(const v1::Task task,
                         AwaitEnd(invocation, *client, before.id(), before.attempt().number()));
  return AttemptExitCode(task.attempt());
}

}  // namespace

Action AddAttach(CLI::App& app) {
  const auto flags = std::make_shared<AttachFlags>();
  app.add_option("ID", flags->id, "A running task (12.3), or a job of one (12); last");
  app.add_flag("-a,--all", flags->all, "Show what it has written before, too");
  app.add_flag("--no-stdin", flags->no_stdin, "Look on: type nothing into it");
  app.footer(
      "For tasks submitted with --pty or -i. With a terminal of the task's own every key goes to\n"
      "it; ctrl-p ctrl-q detaches. Ends as the task ends, or with 0 when you detach.");
  return [flags](Invocation& invocation) { return RunAttach(*flags, invocation); };
}

}  // namespace berth::cli
