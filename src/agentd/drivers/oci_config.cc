#include "agentd/drivers/oci_config.h"

#include <nlohmann/json.hpp>

namespace berth::agentd {
namespace {

using Json = nlohmann::ordered_json;

Json Mount(const char* target, const char* type, const char* source,
           const std::vector<std::string>& options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", options}};
}

Json KernelMounts() {
  return Json::array({
      Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      Mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      Mount("/dev/shm", "tmpfs", "shm", {"nosuid", "nodev", "mode=1777"}),
      Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
  });
}

// What the runtimes give root by default, but for making device files: no cgroup confines those.
Json RootCapabilities() {
  const Json names = {"CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",     "CAP_FSETID",
                      "CAP_KILL",    "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",    "CAP_SETGID",
                      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT", "CAP_AUDIT_WRITE"};
  return {{"bounding", names}, {"effective", names}, {"permitted", names}};
}

Json NoCapabilities() {
  const Json none = Json::array();
  return {{"bounding", none},
          {"effective", none},
          {"inheritable", none},
          {"permitted", none},
          {"ambient", none}};
}

Json Process(const ContainerSettings& settings) {
  return {
      {"terminal", false},
      {"user",
       {{"uid", settings.uid},
        {"gid", settings.gid},
        {"additionalGids", settings.groups},
        {"umask", 022}}},
      {"args", settings.arguments},
      {"env", settings.environment},
      {"cwd", "/"},
      {"capabilities", settings.uid == 0 ? RootCapabilities() : NoCapabilities()},
      {"noNewPrivileges", true},
  };
}

Json Devices(const ContainerEdits& edits) {
  Json devices = Json::array();
  for (const DeviceNode& node : edits.nodes) {
    devices.push_back({{"path", node.path},
                       {"type", std::string(1, node.type)},
                       {"major", node.major},
                       {"minor", node.minor},
                       {"fileMode", node.mode},
                       {"uid", node.uid},
                       {"gid", node.gid}});
  }
  return devices;
}

Json Hooks(const ContainerEdits& edits) {
  Json hooks = Json::object();
  for (const ContainerEdits::Hook& hook : edits.hooks) {
    Json made = {{"path", hook.path}};
    if (!hook.arguments.empty()) made["args"] = hook.arguments;
    if (!hook.environment.empty()) made["env"] = hook.environment;
    if (hook.timeout_s) made["timeout"] = *hook.timeout_s;
    hooks[hook.name].push_back(std::move(made));
  }
  return hooks;
}

Json Mounts(const ContainerSettings& settings) {
  Json mounts = KernelMounts();
  for (const ContainerEdits::Mount& mount : settings.edits.mounts) {
    Json options = mount.options;
    if (mount.options.empty()) options = {"rbind", "nosuid", "nodev", "ro"};
    mounts.push_back({{"destination", mount.target},
                      {"type", "bind"},
                      {"source", mount.source},
                      {"options", std::move(options)}});
  }
  for (const ContainerSettings::Mount& mount : settings.mounts) {
    Json options = {"rbind", "rprivate"};
    // Of what is mounted below it too.
    if (mount.read_only) options.push_back("ro");
    mounts.push_back({{"destination", mount.target},
                      {"type", "bind"},
                      {"source", mount.source},
                      {"options", std::move(options)}});
  }
  return mounts;
}

}  // namespace

std::string OciConfig(const ContainerSettings& settings) {
  Json linux_part = {
      {"namespaces",
       {{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "ipc"}}, {{"type", "uts"}}}},
      {"devices", Devices(settings.edits)},
      {"maskedPaths",
       {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
        "/sys/firmware"}},
      {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}},
  };
  Json config = {
      {"ociVersion", "1.0.0"},
      {"process", Process(settings)},
      {"root", {{"path", settings.root}, {"readonly", false}}},
      {"hostname", settings.host_name},
      {"mounts", Mounts(settings)},
      {"linux", std::move(linux_part)},
  };
  if (!settings.edits.hooks.empty()) config["hooks"] = Hooks(settings.edits);
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace berth::agentd
