#include "shim/task_spec.h"

#include <string_view>

#include "shim/spec_view.h"

namespace berth::shim {
namespace {

bool AppendString(std::string_view text, std::string& out) {
  if (text.find('\0') != std::string_view::npos) return false;
  const auto length = static_cast<uint32_t>(text.size());
  out.append(reinterpret_cast<const char*>(&length), sizeof(length));
  out.append(text);
  out.push_back('\0');
  return true;
}

}  // namespace

std::string EncodeSpec(const TaskSpec& spec) {
  static const TaskUser kNobody;
  const TaskUser& user = spec.user ? *spec.user : kNobody;
  static const ContainerSpec kNoContainer;
  const ContainerSpec& container = spec.container ? *spec.container : kNoContainer;
  if (spec.cgroup_procs.size() > kMaxCgroups || user.groups.size() > kMaxGroups ||
      container.mounts.size() > kMaxMounts ||
      container.mounts.size() != container.mount_targets.size()) {
    return {};
  }

  SpecHeader header;
  header.header_size = sizeof(header);
  header.switch_user = spec.user ? 1 : 0;
  header.uid = user.uid;
  header.gid = user.gid;
  header.group_count = static_cast<uint32_t>(user.groups.size());
  header.argument_count = static_cast<uint32_t>(spec.arguments.size());
  header.environment_count = static_cast<uint32_t>(spec.environment.size());
  header.cgroup_count = static_cast<uint32_t>(spec.cgroup_procs.size());
  header.mount_count = static_cast<uint32_t>(container.mounts.size());
  header.image_as_user = container.image_as_user ? 1 : 0;
  header.umask = spec.umask;
  header.nice = spec.nice;
  header.grace_ms = spec.grace_ms;
  header.time_limit_ms = spec.time_limit_ms;
  header.lease_until_ms = spec.lease_until_ms;
  header.open_files_soft = spec.open_files_soft;
  header.oom_kills_before = spec.oom_kills_before;
  header.kill_method = spec.kill_method;
  header.memory_accounting = spec.memory_accounting;
  header.console = spec.console;
  header.rows = spec.rows;
  header.columns = spec.columns;
  if (spec.inside) {
    header.inside_init = spec.inside->init;
    header.inside_shim = spec.inside->shim;
    header.inside_for_files = spec.inside->for_files ? 1 : 0;
  }

  std::string out(reinterpret_cast<const char*>(&header), sizeof(header));
  out.append(reinterpret_cast<const char*>(user.groups.data()),
             user.groups.size() * sizeof(uint32_t));
  bool whole = true;
  for (const std::string* text :
       {&spec.working_directory, &spec.input_path, &spec.output_path, &spec.error_path,
        &spec.kill_directory, &spec.memory_directory, &spec.lease_path, &spec.network_namespace,
        &container.runtime, &container.bundle, &container.image}) {
    whole = AppendString(*text, out) && whole;
  }
  for (const auto* list : {&spec.cgroup_procs, &container.mounts, &container.mount_targets,
                           &spec.arguments, &spec.environment}) {
    for (const std::string& text : *list) whole = AppendString(text, out) && whole;
  }
  if (!whole) return {};

  auto* written = reinterpret_cast<SpecHeader*>(out.data());
  written->size = static_cast<uint32_t>(out.size());
  written->checksum = Checksum(out.data(), out.size());
  return out;
}

}  // namespace berth::shim
