#include "agentd/drivers/process_driver.h"

#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "agentd/drivers/refusal_text.h"
#include "agentd/drivers/spec_file.h"
#include "agentd/probe/tpu_probe.h"
#include "agentd/window_dimension.h"

namespace berth::agentd {
namespace {

constexpr std::string_view kBerthPrefix = "BERTH_";

constexpr char kUsualTerm[] = "xterm";

constexpr std::string_view kTpu = "tpu";

// Whole, or a slice of one: CUDA names both by UUID.
bool IsGpu(std::string_view kind) { return kind == "gpu" || kind == "mig"; }

// The first field that the schema has and this version does nothing with; empty: none is used.
std::string NotHonoured(const v1::StartTask& start, const ProcessDriver::Node& node) {
  if (start.payload().mounts_size() > 0 && start.payload().image().empty()) {
    return "payload.mounts without payload.image";
  }
  if (!start.payload().output_directory().empty()) return "payload.output_directory";
  if (!v1::Console_IsValid(start.payload().console())) {
    return "payload.console: " + std::to_string(start.payload().console());
  }
  if (!v1::OnPartition_IsValid(start.on_partition())) {
    return "on_partition: " + std::to_string(start.on_partition());
  }
  if (start.on_partition() == v1::ON_PARTITION_KILL && node.lease_path.empty()) {
    return "on_partition: kill";
  }
  return {};
}

}  // namespace

CannotStart ProcessDriver::Refuse(v1::ReasonCode reason, std::string message) const {
  return {reason, "node " + Quoted(node_.name) + ": " + std::move(message)};
}

std::variant<ProcessDriver::Identity, CannotStart> ProcessDriver::Admit(
    const v1::StartTask& start) const {
  const std::string unknown = NotHonoured(start, node_);
  if (!unknown.empty()) {
    return Refuse(v1::REASON_CODE_FIELD_NOT_HONOURED,
                  "this agent does not honour " + unknown + " yet");
  }
  for (const std::string& id : start.device_ids()) {
    if (!devices_known_ || device_kinds_.count(id) > 0) continue;
    return Refuse(v1::REASON_CODE_DEVICE_MISSING,
                  "device " + Quoted(id) + " that it was given is not there any more");
  }
  if (start.payload().command().empty() && start.payload().script().empty() &&
      start.payload().image().empty()) {
    return Refuse(v1::REASON_CODE_INVALID_FIELD, "the task has no command and no script");
  }
  const v1::RunAs& run_as = start.run_as();
  const Identity own{node_.agent_uid, node_.agent_gid, false};
  if (!run_as.verified()) {
    if (node_.agent_uid != 0 || node_.allow_root) return own;
    return Refuse(v1::REASON_CODE_USER_NOT_ALLOWED,
                  "berthd could not verify who submitted this task, and the agent runs as root:"
                  " submit over berthd's Unix socket, or set `allowRoot: true` in the node's"
                  " agent.yaml to run such tasks as root");
  }
  if (run_as.uid() == 0 && !node_.allow_root) {
    return Refuse(v1::REASON_CODE_USER_NOT_ALLOWED,
                  "it runs no tasks as root: submit as another user, or set `allowRoot: true` in"
                  " the node's agent.yaml");
  }
  if (node_.agent_uid != 0) {
    if (run_as.uid() == node_.agent_uid) return own;
    return Refuse(v1::REASON_CODE_USER_NOT_ALLOWED,
                  "its agent runs as uid " + std::to_string(node_.agent_uid) +
                      " and cannot run tasks as uid " + std::to_string(run_as.uid()) +
                      ": run the agent as root, or submit as that user");
  }
  return Identity{run_as.uid(), run_as.gid(), run_as.uid() != 0 || run_as.gid() != node_.agent_gid};
}

void ProcessDriver::Prepare(const AttemptToPrepare& attempt, PreparedAnswer answer) {
  answer(Prepare(attempt.start, attempt.identity, attempt.user, attempt.paths));
}

std::variant<ProcessDriver::Prepared, CannotStart> ProcessDriver::Prepare(
    const v1::StartTask& start, const Identity& identity, const UserRecord& user,
    const AttemptPaths& paths) const {
  Prepared prepared;
  shim::TaskSpec& spec = prepared.spec;
  const v1::Payload& payload = start.payload();
  if (!payload.script().empty()) {
    if (payload.script().rfind("#!", 0) != 0) {
      return Refuse(v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE,
                    "the script has no #! line: let it begin with #!/bin/sh, for one");
    }
    prepared.needs_script = true;
    spec.arguments.push_back(paths.script);
  }
  spec.arguments.insert(spec.arguments.end(), payload.command().begin(), payload.command().end());
  std::map<std::string, std::string> environment = Environment(start, user);
  if (payload.working_directory().empty() || start.resources().storage_bytes() > 0) {
    environment["BERTH_SCRATCH"] = paths.scratch;
    environment.emplace("TMPDIR", paths.scratch);
  }
  for (const auto& [name, value] : environment) spec.environment.push_back(name + "=" + value);
  const bool in_scratch = payload.working_directory().empty();
  prepared.needs_scratch = in_scratch || start.resources().storage_bytes() > 0;
  spec.working_directory = in_scratch ? paths.scratch : payload.working_directory();
  if (!in_scratch && payload.files_size() > 0) {
    return Refuse(v1::REASON_CODE_INVALID_FIELD,
                  "files are written into a task's own scratch directory only, and this one works"
                  " in " +
                      Quoted(spec.working_directory));
  }
  if (spec.working_directory.front() != '/') {
    return Refuse(v1::REASON_CODE_INVALID_FIELD,
                  "working directory " + Quoted(spec.working_directory) + " is not absolute");
  }
  spec.output_path = paths.output;
  spec.error_path = paths.error;
  if (payload.console() == v1::CONSOLE_TERMINAL) {
    spec.console = shim::ConsoleKind::kTerminal;
    spec.rows = WindowDimension(payload.console_rows());
    spec.columns = WindowDimension(payload.console_columns());
  } else if (payload.console() == v1::CONSOLE_PIPE) {
    spec.console = shim::ConsoleKind::kPipe;
  } else if (!payload.stdin_data().empty()) {
    prepared.needs_input = true;
    spec.input_path = paths.input;
  }
  if (identity.becomes) spec.user = shim::TaskUser{identity.uid, identity.gid, user.groups};
  spec.grace_ms = start.grace_ms();
  spec.time_limit_ms = start.time_limit_ms();
  spec.open_files_soft = node_.open_files_soft;
  if (start.on_partition() == v1::ON_PARTITION_KILL) spec.lease_path = node_.lease_path;
  prepared.limits.cpu_milli = start.resources().cpu_milli();
  prepared.limits.memory_bytes = start.resources().memory_bytes();
  prepared.limits.max_processes = start.max_processes();
  prepared.limits.cpu_limit_milli = start.cpu_limit_milli();
  prepared.limits.io_weight = start.io_weight();
  prepared.limits.one_numa_node = start.cpu_placement() == v1::CPU_PLACEMENT_NUMA;
  if (prepared.limits.one_numa_node || start.cpu_placement() == v1::CPU_PLACEMENT_DEDICATED) {
    prepared.limits.dedicated_cpus = static_cast<int32_t>(start.resources().cpu_milli() / 1000);
  }
  return prepared;
}

std::map<std::string, std::string> ProcessDriver::Environment(const v1::StartTask& start,
                                                              const UserRecord& user) const {
  std::map<std::string, std::string> environment = {
      {"PATH", node_.path}, {"HOME", user.home},    {"LANG", node_.lang},
      {"USER", user.name},  {"LOGNAME", user.name},
  };
  AddDevices(start, environment);

  for (const auto& [name, value] : start.payload().environment()) {
    if (name.rfind(kBerthPrefix, 0) != 0) environment[name] = value;
  }

  if (start.payload().console() == v1::CONSOLE_TERMINAL) environment.emplace("TERM", kUsualTerm);

  environment["BERTH_JOB_ID"] = std::to_string(start.key().job_id());
  environment["BERTH_TASK_ID"] = start.task_id();
  environment["BERTH_ATTEMPT"] = std::to_string(start.key().attempt());
  if (start.in_array()) environment["BERTH_ARRAY_INDEX"] = std::to_string(start.key().index());
  if (start.world_size() > 0) {
    environment["BERTH_RANK"] = std::to_string(start.rank());
    environment["BERTH_WORLD_SIZE"] = std::to_string(start.world_size());
  }
  return environment;
}

void ProcessDriver::SetDevices(const v1::NodeInventory& inventory) {
  device_kinds_.clear();
  devices_known_ = true;
  for (const v1::Device& device : inventory.devices()) device_kinds_[device.id()] = device.kind();
}

std::string ProcessDriver::DeviceKind(const std::string& id) const {
  const auto kind = device_kinds_.find(id);
  return kind == device_kinds_.end() ? "" : kind->second;
}

void ProcessDriver::AddDevices(const v1::StartTask& start,
                               std::map<std::string, std::string>& environment) const {
  bool node_has_gpus = false;
  bool node_has_tpus = false;
  for (const auto& [id, kind] : device_kinds_) {
    node_has_gpus = node_has_gpus || IsGpu(kind);
    node_has_tpus = node_has_tpus || kind == kTpu;
  }
  std::string gpus;
  std::string tpus;
  for (const std::string& id : start.device_ids()) {
    const auto kind = device_kinds_.find(id);
    if (kind == device_kinds_.end() || IsGpu(kind->second)) {
      gpus += (gpus.empty() ? "" : ",") + id;
    } else if (kind->second == kTpu && id.starts_with(kTpuPrefix)) {
      tpus += (tpus.empty() ? "" : ",") + id.substr(kTpuPrefix.size());
    }
  }
  // Empty hides every device from a task that has none.
  if (node_has_gpus || !gpus.empty()) environment["CUDA_VISIBLE_DEVICES"] = gpus;
  if (node_has_tpus) environment["TPU_VISIBLE_CHIPS"] = tpus;
}

CannotStart ProcessDriver::Explain(const shim::StatusRecord& start,
                                   std::string_view spec_file) const {
  const SpecFile file(spec_file);
  if (file.fault() != nullptr) {
    return Refuse(v1::REASON_CODE_DRIVER_ERROR,
                  "the task's spec file cannot be used: " + std::string(file.fault()));
  }
  const shim::SpecView& spec = file.view();
  const std::string error = ErrorText(start.error);
  using shim::StartStep;
  switch (start.step) {
    case StartStep::kJoinCgroup:
      return Refuse(
          v1::REASON_CODE_ISOLATION_FAILED,
          "the task could not join its cgroup " +
              std::string(start.item < spec.header->cgroup_count ? spec.cgroup_procs[start.item]
                                                                 : "") +
              ": " + error);
    case StartStep::kOpenOutput:
      return Refuse(v1::REASON_CODE_DRIVER_ERROR,
                    "the task's output file " +
                        std::string(start.item == 2 ? spec.error_path : spec.output_path) +
                        " could not be opened: " + error);
    case StartStep::kOpenInput:
      return Refuse(v1::REASON_CODE_DRIVER_ERROR, "the task's standard input " +
                                                      std::string(spec.input_path) +
                                                      " could not be opened: " + error);
    case StartStep::kOpenConsole:
      return Refuse(v1::REASON_CODE_DRIVER_ERROR,
                    std::string(spec.header->console == shim::ConsoleKind::kTerminal
                                    ? "no terminal could be made for the task: "
                                    : "no console could be made for the task: ") +
                        error);
    case StartStep::kLimits:
      return Refuse(v1::REASON_CODE_DRIVER_ERROR,
                    "the task's process limits could not be set: " + error);
    case StartStep::kChangeUser:
      return Refuse(v1::REASON_CODE_USER_NOT_ALLOWED,
                    "the task could not become uid " + std::to_string(spec.header->uid) + ", gid " +
                        std::to_string(spec.header->gid) + ": " + error);
    case StartStep::kWorkingDirectory:
      return Refuse(
          v1::REASON_CODE_WORKING_DIRECTORY_MISSING,
          "working directory " + Quoted(spec.working_directory) +
              (start.error == ENOENT ? " does not exist there" : " cannot be entered: " + error));
    case StartStep::kFindProgram:
    case StartStep::kExecute: {
      std::string path;
      for (char** entry = spec.environment; *entry != nullptr; ++entry) {
        if (std::strncmp(*entry, "PATH=", 5) == 0) path = *entry + 5;
      }
      return ExplainProgram(start, spec.arguments[0], spec.working_directory, path);
    }
    case StartStep::kClone:
      return Refuse(v1::REASON_CODE_DRIVER_ERROR,
                    "no process could be made for the task: " + error);
    case StartStep::kJoinNetwork:
      return Refuse(v1::REASON_CODE_NETWORK_FAILED,
                    "the task could not join its network namespace " +
                        std::string(spec.network_namespace) + ": " + error);
    case StartStep::kLeaseEnded:
      return Refuse(v1::REASON_CODE_NODE_LOST,
                    "it was not started: the node had not heard from berthd for as long as its"
                    " lease lasts, and onPartition: kill asks not to run then");
    case StartStep::kStarted:
    case StartStep::kNamespace:  // a container's: OciDriver
    case StartStep::kImage:
    case StartStep::kRootFs:
    case StartStep::kMount:
    case StartStep::kMountTarget:
    case StartStep::kRuntime:
    case StartStep::kEnterContainer:
      break;
  }
  return Refuse(v1::REASON_CODE_DRIVER_ERROR, "the shim could not start the task: " + error);
}

CannotStart ProcessDriver::ExplainProgram(const shim::StatusRecord& start, std::string program,
                                          const std::string& directory,
                                          const std::string& path) const {
  const std::string name = "program " + Quoted(program);
  if (start.step == shim::StartStep::kFindProgram) {
    return Refuse(v1::REASON_CODE_PROGRAM_NOT_FOUND,
                  name + " is in none of the directories of PATH (" + Shortened(path) + ")");
  }
  switch (start.error) {
    case ENOENT: {
      const std::string file = program.front() == '/' ? program : directory + "/" + program;
      if (access(file.c_str(), F_OK) == 0) {
        return Refuse(v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE,
                      name + " is there, but the interpreter that its #! line names is not");
      }
      return Refuse(
          v1::REASON_CODE_PROGRAM_NOT_FOUND,
          name + " does not exist there" +
              (program.front() == '/' ? "" : " (seen from " + Shortened(directory) + ")"));
    }
    case ENOTDIR:
      return Refuse(v1::REASON_CODE_PROGRAM_NOT_FOUND, name + ": " + ErrorText(start.error));
    case EACCES:
    case EPERM:
      return Refuse(
          v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE,
          name +
              " may not be executed by this user: is it a file, executable (chmod +x), and"
              " on a file system that allows it?");
    case ENOEXEC:
      return Refuse(v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE,
                    name + " is neither a program for this machine nor a script with a #! line");
    case E2BIG:
      return Refuse(v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE,
                    name + ": its arguments and environment are too long");
    default:
      return Refuse(v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE,
                    name + " could not be executed: " + ErrorText(start.error));
  }
}

void AddCgroup(const TaskCgroup& cgroup, shim::TaskSpec& spec) {
  spec.cgroup_procs = cgroup.procs;
  spec.kill_method = cgroup.kill_method;
  spec.kill_directory = cgroup.kill_directory;
  spec.memory_accounting = cgroup.memory_accounting;
  spec.memory_directory = cgroup.memory_directory;
  spec.oom_kills_before = cgroup.oom_kills_before;
}

}  // namespace berth::agentd
