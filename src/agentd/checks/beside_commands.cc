#include "agentd/checks/beside_commands.h"

#include <utility>
#include <variant>

#include "agentd/drivers/beside_task.h"
#include "agentd/drivers/spec_file.h"
#include "base/strings.h"

namespace berth::agentd {

struct BesideCommands::Running {
  std::unique_ptr<CommandProcess> process;
  std::shared_ptr<void> guest;
  CommandResult result;
  int64_t written = 0;
  CommandRunner::Done done;  // null: nobody waits any more
  bool exited = false;
};

BesideCommands::BesideCommands(Parts parts) : parts_(std::move(parts)) {}

BesideCommands::~BesideCommands() = default;

uint64_t BesideCommands::Run(const AttemptKey& key, const std::vector<std::string>& arguments,
                             int64_t timeout_ms, CommandRunner::Done done) {
  const uint64_t id = next_id_++;
  auto running = std::make_unique<Running>();
  running->done = std::move(done);
  Running& started = *running;
  running_.emplace(id, std::move(running));
  CommandProcess::Callbacks callbacks;
  callbacks.on_start = [this, id](const shim::StatusRecord& start) {
    Running& one = *running_.at(id);
    if (start.step == shim::StartStep::kStarted) return;
    one.result.why_not = parts_.explain(start, one.process->spec()).message;
  };
  callbacks.on_output = [this, id](bool is_error, const std::string& data) {
    TakeOutput(*running_.at(id), is_error, data);
  };
  callbacks.on_output_end = [this, id] { parts_.loop.Post([this, id] { EndIfOver(id); }); };
  callbacks.on_room = [] {};
  callbacks.on_exit = [this, id](const shim::StatusRecord* end) { OnExit(id, end); };
  started.process = std::make_unique<CommandProcess>(parts_.loop, std::move(callbacks));
  if (std::string fault = Start(started, key, arguments); !fault.empty()) {
    parts_.loop.Post([this, id, fault = std::move(fault)] {
      const auto node = running_.extract(id);
      if (node.empty() || !node.mapped()->done) return;
      node.mapped()->result.why_not = fault;
      node.mapped()->done(std::move(node.mapped()->result));
    });
    return id;
  }
  parts_.loop.At(parts_.clock.MonotonicMs() + timeout_ms, [this, id] {
    const auto late = running_.find(id);
    if (late == running_.end() || late->second->exited) return;
    if (late->second->result.wrote_more_than > 0) return;  // it is being killed for that
    late->second->result.timed_out = true;
    late->second->process->Kill();
  });
  return id;
}

std::string BesideCommands::Start(Running& running, const AttemptKey& key,
                                  const std::vector<std::string>& arguments) {
  running.guest = parts_.guest_of(key);
  if (running.guest == nullptr) return "the task does not run any more";
  const absl::StatusOr<std::string> bytes = parts_.store.ReadSpec(key);
  if (!bytes.ok()) return base::S(bytes.status().message());
  const auto start = parts_.store.ReadStart(key);
  if (!start) return "the task has not been started so far";
  const SpecFile file(*bytes);
  if (file.fault() != nullptr) {
    return "the task's spec cannot be used: " + std::string(file.fault());
  }
  v1::ExecCommand command;
  for (const std::string& argument : arguments) command.add_command(argument);
  const auto refused =
      running.process->Start(parts_.shim_program, CommandBeside(file.view(), *start, command));
  if (refused) return refused->message;
  running.process->EndInput();
  running.process->NextOutput(false);
  running.process->NextOutput(true);
  return "";
}

void BesideCommands::TakeOutput(Running& running, bool is_error, const std::string& data) {
  std::string& output = running.result.output;
  output += data;
  if (output.size() > CommandRunner::kMostOutput) {
    output.erase(0, output.size() - CommandRunner::kMostOutput);
  }
  running.written += static_cast<int64_t>(data.size());
  if (running.written <= kMostWritten) {
    running.process->NextOutput(is_error);
    return;
  }
  // The rest is left unread, also while that takes its time.
  running.result.wrote_more_than = kMostWritten;
  running.process->Kill();
}

void BesideCommands::OnExit(uint64_t id, const shim::StatusRecord* end) {
  Running& running = *running_.at(id);
  running.exited = true;
  if (end != nullptr) {
    running.result.signal = end->signal;
    if (end->signal == 0) running.result.exit_code = end->exit_code;
  } else if (running.result.why_not.empty() && !running.result.timed_out &&
             running.result.wrote_more_than == 0) {
    running.result.why_not = "its shim did not say how it ended";
  }
  // Not from within its own call.
  parts_.loop.Post([this, id] { EndIfOver(id); });
}

void BesideCommands::EndIfOver(uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end() || !found->second->exited) return;
  const CommandResult& result = found->second->result;
  const bool is_read = result.why_not.empty() && result.wrote_more_than == 0;
  if (is_read && !found->second->process->output_ended()) return;
  const auto node = running_.extract(found);
  if (node.mapped()->done) node.mapped()->done(std::move(node.mapped()->result));
}

void BesideCommands::Cancel(uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  found->second->done = nullptr;
  found->second->process->Kill();  // it goes when that has ended
}

}  // namespace berth::agentd
