#include "agentd/drivers/beside_task.h"

#include <unistd.h>

#include <optional>
#include <utility>

#include "agentd/window_dimension.h"

namespace berth::agentd {
namespace {

std::optional<shim::TaskUser> UserOf(const shim::SpecView& task) {
  const shim::SpecHeader& header = *task.header;
  if (header.switch_user == 0) return std::nullopt;
  return shim::TaskUser{header.uid, header.gid, {task.groups, task.groups + header.group_count}};
}

std::optional<shim::InsideContainer> InsideOf(const shim::SpecView& task,
                                              const shim::StatusRecord& start, bool for_files) {
  if (task.runtime[0] == '\0') return std::nullopt;
  return shim::InsideContainer{start.task_pid, start.shim_pid, for_files};
}

uint16_t DimensionOr(int32_t wanted, uint16_t usual) {
  return wanted <= 0 ? usual : WindowDimension(wanted);
}

shim::TaskSpec FileWork(std::vector<std::string> arguments) {
  shim::TaskSpec spec;
  spec.arguments = std::move(arguments);
  spec.environment = {"LANG=C.UTF-8"};
  return spec;
}

}  // namespace

shim::TaskSpec CommandBeside(const shim::SpecView& task, const shim::StatusRecord& start,
                             const v1::ExecCommand& command) {
  constexpr std::string_view kTerm = "TERM=";
  shim::TaskSpec spec;
  spec.arguments.assign(command.command().begin(), command.command().end());
  bool has_term = false;
  for (char** entry = task.environment; *entry != nullptr; ++entry) {
    has_term = has_term || std::string_view(*entry).starts_with(kTerm);
    spec.environment.emplace_back(*entry);
  }
  spec.working_directory = task.working_directory;
  spec.network_namespace = task.network_namespace;
  spec.user = UserOf(task);
  spec.inside = InsideOf(task, start, false);
  spec.cgroup_procs.assign(task.cgroup_procs, task.cgroup_procs + task.header->cgroup_count);
  spec.umask = task.header->umask;
  spec.nice = task.header->nice;
  spec.open_files_soft = task.header->open_files_soft;
  if (command.terminal()) {
    if (!has_term) spec.environment.emplace_back("TERM=xterm");
    spec.console = shim::ConsoleKind::kTerminal;
    spec.rows = DimensionOr(command.window().rows(), 24);
    spec.columns = DimensionOr(command.window().columns(), 80);
  }
  return spec;
}

shim::TaskSpec FileWorkBeside(const shim::SpecView& task, const shim::StatusRecord& start,
                              std::vector<std::string> arguments) {
  shim::TaskSpec spec = FileWork(std::move(arguments));
  spec.working_directory = task.working_directory;
  spec.user = UserOf(task);
  spec.inside = InsideOf(task, start, true);
  spec.umask = task.header->umask;
  return spec;
}

shim::TaskSpec FileWorkAfter(const std::string& scratch, uint32_t uid, uint32_t gid,
                             std::vector<std::string> arguments) {
  shim::TaskSpec spec = FileWork(std::move(arguments));
  spec.working_directory = scratch;
  if (uid != geteuid() || gid != getegid()) spec.user = shim::TaskUser{uid, gid, {}};
  return spec;
}

}  // namespace berth::agentd
