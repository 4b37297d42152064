// berth exec: a command beside a running task.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/job_ending.h"
#include "cli/one_task.h"
#include "cli/raw_terminal.h"
#include "cli/rpc_status.h"
#include "cli/typing.h"

namespace berth::cli {
namespace {

struct ExecFlags {
  std::string id;
  bool tty = false;
  bool no_tty = false;
  bool no_stdin = false;
};

using ExecStream = grpc::ClientReaderWriter<v1::ExecRequest, v1::ExecResponse>;

// An error of Berth's own, so that it cannot be mistaken for the command's: as `run` and shells say
// it.
absl::StatusOr<int> FailExec(Invocation& invocation, const absl::Status& status) {
  if (ExitCodeOf(status) == 2) return status;
  invocation.PrintFailure(status);
  const std::string reason = ReasonOf(status);
  if (reason == "PROGRAM_NOT_FOUND") return kExitNoSuchProgram;
  if (reason == "PROGRAM_NOT_EXECUTABLE") return kExitNotExecutable;
  return kExitBerthFailed;
}

absl::StatusOr<int> RunExec(const ExecFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("exec"));
  if (flags.tty && flags.no_tty) {
    return absl::InvalidArgumentError("--tty and --no-tty: give one of them");
  }
  if (!invocation.command() || invocation.command()->empty()) {
    return absl::InvalidArgumentError(
        "nothing to run: write the command after \"--\", as in: berth exec 12.3 -- bash");
  }
  const Process& process = invocation.process();
  const bool terminal = process.in_is_terminal && process.out_is_terminal;
  const bool tty = !flags.no_tty && (flags.tty || terminal);
  // Before the first thread.
  const base::UniqueFd interrupts = process.open_interrupts();
  const base::UniqueFd windows = tty ? process.open_window_changes() : base::UniqueFd();
  const absl::StatusOr<std::string> task = OneTask(invocation, flags.id, "exec");
  if (!task.ok()) return FailExec(invocation, task.status());
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());

  grpc::ClientContext context;
  const std::unique_ptr<ExecStream> stream = client->jobs().Exec(&context);
  v1::ExecRequest first;
  first.set_task_id(*task);
  for (const std::string& word : *invocation.command()) first.add_command(word);
  first.set_tty(tty);
  if (tty) {
    const TerminalSize size = SizeOfTerminal(process.stdin_fd).value_or(TerminalSize{});
    first.set_rows(size.rows);
    first.set_columns(size.columns);
  }
  first.set_stdin_closed(flags.no_stdin);
  stream->Write(first);

  std::atomic<bool> interrupted = false;
  std::optional<int> exit_code;
  {
    const RawTerminal raw(tty && process.in_is_terminal ? process.stdin_fd : -1,
                          RawTerminal::Mode::kRaw);
    const auto send = [&](const v1::ExecRequest& request) { return stream->Write(request); };
    Typing typing({.input_fd = flags.no_stdin ? -1 : process.stdin_fd,
                   .window_fd = windows.get(),
                   .terminal_fd = process.stdin_fd,
                   .interrupt_fd = interrupts.get()},
                  {.on_input =
                       [&](std::string typed) {
                         v1::ExecRequest request;
                         request.set_stdin_data(std::move(typed));
                         return send(request);
                       },
                   .on_input_end =
                       [&] {
                         v1::ExecRequest request;
                         request.set_stdin_closed(true);
                         send(request);
                       },
                   .on_window =
                       [&](const TerminalSize& size) {
                         v1::ExecRequest request;
                         request.set_rows(size.rows);
                         request.set_columns(size.columns);
                         send(request);
                       },
                   .on_detach = [] {},
                   .on_interrupt =
                       [&] {
                         interrupted = true;
                         context.TryCancel();
                       }});
    v1::ExecResponse response;
    while (stream->Read(&response)) {
      if (response.has_exit_code()) exit_code = response.exit_code();
      ByteSink& sink = response.stream() == v1::OUTPUT_STREAM_STDERR ? *process.err : *process.out;
      if (!response.data().empty()) sink.Write(response.data());
      if (process.out->failed()) context.TryCancel();
    }
  }
  const grpc::Status status = stream->Finish();
  if (exit_code) return *exit_code;
  if (interrupted || process.out->failed()) return kExitInterrupted;
  return FailExec(invocation, client->Explain(status));
}

}  // namespace

Action AddExec(CLI::App& app) {
  const auto flags = std::make_shared<ExecFlags>();
  app.add_option("ID", flags->id, "A running task (12.3), or a job of one (12); last");
  app.add_flag("-t,--tty", flags->tty,
               "With a terminal; by default when standard input and output are one");
  app.add_flag("-T,--no-tty", flags->no_tty, "Without a terminal, as in a pipe");
  app.add_flag("--no-stdin", flags->no_stdin, "Do not read standard input");
  app.footer(
      "As the task's user, in its directory, within its limits. Ends as the command ends, or\n"
      "with 125 when Berth failed, 126 when it cannot be executed, 127 when it is not found.");
  return [flags](Invocation& invocation) { return RunExec(*flags, invocation); };
}

}  // namespace berth::cli
