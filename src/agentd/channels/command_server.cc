#include "agentd/channels/command_server.h"

#include <sys/stat.h>

#include <cstdio>
#include <utility>
#include <variant>

#include "agentd/channels/files_server.h"
#include "agentd/drivers/beside_task.h"
#include "agentd/drivers/spec_file.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

CannotStart NotRunning(const std::string& node, const AttemptKey& key) {
  return {v1::REASON_CODE_TASK_NOT_RUNNING,
          "node \"" + node + "\": attempt " + ToString(key) + " does not run there"};
}

CannotStart BadSpec(const std::string& node, const std::string& why) {
  return {v1::REASON_CODE_DRIVER_ERROR,
          "node \"" + node + "\": what it knows of the task cannot be used: " + why};
}

std::string Octal(int32_t mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "%o", static_cast<unsigned>(mode));
  return text;
}

}  // namespace

CommandServer::CommandServer(Parts parts) : parts_(std::move(parts)) {}

CommandServer::~CommandServer() = default;

void CommandServer::OpenExec(v1::OpenData request, Guest guest) {
  const std::string token = request.token();
  parts_.hub.Open(
      token, [this, command = request.exec(), guest = std::move(guest)](DataCall& call) mutable {
        const AttemptKey key = FromProto(command.key());
        auto prepare = [this, key, command,
                        live = guest != nullptr]() -> std::variant<shim::TaskSpec, CannotStart> {
          if (command.command().empty()) {
            return CannotStart{v1::REASON_CODE_INVALID_FIELD, "the command is empty"};
          }
          if (!live) return NotRunning(parts_.node_name, key);
          const absl::StatusOr<std::string> bytes = parts_.store.ReadSpec(key);
          const auto start = parts_.store.ReadStart(key);
          if (!bytes.ok() || !start) return NotRunning(parts_.node_name, key);
          const SpecFile file(*bytes);
          if (file.fault() != nullptr) return BadSpec(parts_.node_name, file.fault());
          return CommandBeside(file.view(), *start, command);
        };
        auto server = std::make_unique<ExecServer>(
            call,
            ExecServer::Work{key, parts_.shim_program, std::move(prepare), parts_.explain,
                             std::move(guest)},
            [this](ExecServer& gone) { execs_.erase(&gone); });
        execs_.insert(server.get());
        return server;
      });
}

void CommandServer::OpenFiles(v1::OpenData request, bool live) {
  const std::string token = request.token();
  parts_.hub.Open(token, [this, request = std::move(request), live](DataCall& call) {
    const bool writes = request.has_write_path();
    const AttemptKey key =
        FromProto(writes ? request.write_path().key() : request.read_path().key());
    std::vector<std::string> arguments = {parts_.files_program, writes ? "write" : "read"};
    if (writes) {
      if (request.write_path().archive()) arguments.emplace_back("--archive");
      if (!request.write_path().name().empty()) {
        arguments.insert(arguments.end(), {"--name", request.write_path().name()});
      }
      if (request.write_path().mode() != 0) {
        arguments.emplace_back("--mode");
        arguments.push_back(Octal(request.write_path().mode()));
      }
    }
    arguments.push_back(writes ? request.write_path().path() : request.read_path().path());
    return std::make_unique<FilesServer>(
        call, FilesServer::Work{
                  writes, parts_.node_name, parts_.shim_program,
                  [this, key, live, arguments] { return PrepareFiles(key, live, arguments); },
                  parts_.explain});
  });
}

std::variant<shim::TaskSpec, CannotStart> CommandServer::PrepareFiles(
    const AttemptKey& key, bool live, const std::vector<std::string>& arguments) const {
  if (live) {
    const absl::StatusOr<std::string> bytes = parts_.store.ReadSpec(key);
    const auto start = parts_.store.ReadStart(key);
    if (!bytes.ok() || !start) return NotRunning(parts_.node_name, key);
    const SpecFile file(*bytes);
    if (file.fault() != nullptr) return BadSpec(parts_.node_name, file.fault());
    return FileWorkBeside(file.view(), *start, arguments);
  }
  const std::string scratch = parts_.store.Paths(key).scratch;
  const auto ended = parts_.store.FindEndedScratch(key);
  // Whose it is, is not to be told from the folder, which anybody may have got at.
  if (!ended || !ended->owner || access(scratch.c_str(), F_OK) != 0) {
    return CannotStart{v1::REASON_CODE_NOT_FOUND,
                       "node \"" + parts_.node_name + "\": attempt " + ToString(key) +
                           " has ended, and of it there is no scratch directory: that is kept for"
                           " 24 h, and only when something is in it"};
  }
  return FileWorkAfter(scratch, ended->owner->first, ended->owner->second, arguments);
}

void CommandServer::Ended(const AttemptKey& key) {
  parts_.hub.Post([this, key] {
    for (ExecServer* exec : execs_) {
      if (exec->key() == key) exec->Kill();
    }
  });
}

}  // namespace berth::agentd
