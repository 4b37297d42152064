#include "agentd/probe/machine_probe.h"

#include <sys/utsname.h>

#include <cerrno>
#include <cstdint>
#include <sstream>

#include "agentd/probe/cpu_probe.h"
#include "agentd/probe/disk_probe.h"
#include "agentd/probe/network_probe.h"
#include "agentd/probe/tpu_probe.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

std::string Unquoted(std::string value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    return value.substr(1, value.size() - 2);
  }
  return value;
}

// "debian-12"; "" where the system does not say.
std::string OsRelease(const std::string& root) {
  const auto text = base::ReadSmallFile(root + "/etc/os-release");
  if (!text.ok()) return "";
  std::string id;
  std::string version;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("ID=")) id = Unquoted(line.substr(3));
    if (line.starts_with("VERSION_ID=")) version = Unquoted(line.substr(11));
  }
  return version.empty() ? id : id + "-" + version;
}

}  // namespace

absl::StatusOr<Machine> ProbeMachine(const std::string& root, const std::string& scratch_folder) {
  Machine machine;
  const std::vector<int> cpus = OwnCpus();
  machine.cpu_milli = static_cast<int64_t>(cpus.size()) * 1000;
  if (const auto cpuinfo = base::ReadSmallFile(root + "/proc/cpuinfo"); cpuinfo.ok()) {
    machine.cpu_model = CpuModel(*cpuinfo);
  }
  BERTH_ASSIGN_OR_RETURN(const std::string meminfo, base::ReadSmallFile(root + "/proc/meminfo"));
  machine.memory_bytes = MemInfoBytes(meminfo, "MemTotal");
  machine.numa_nodes = ProbeNuma(root, cpus);

  machine.disks = ProbeDisks(root);
  BERTH_ASSIGN_OR_RETURN(const Filesystem scratch, ProbeFilesystem(scratch_folder));
  machine.scratch_bytes = scratch.free_bytes;

  machine.interfaces = ProbeInterfaces(root);
  const auto route = base::ReadSmallFile(root + "/proc/net/route");
  const std::string default_interface = route.ok() ? DefaultInterface(*route) : "";
  machine.bandwidth_bits_per_s = BandwidthOf(machine.interfaces, default_interface);
  // Not of the tree: the kernel tells its own only.
  if (root.empty()) machine.addresses = ProbeAddresses(default_interface);
  machine.devices = ProbeTpus(root);

  utsname names = {};
  if (uname(&names) != 0) return absl::ErrnoToStatus(errno, "cannot read the machine's name");
  machine.labels = {{"berth/hostname", names.nodename},
                    {"berth/os", "linux"},
                    {"berth/kernel", names.release},
                    {"berth/arch", names.machine}};
  if (std::string release = OsRelease(root); !release.empty()) {
    machine.labels.emplace("berth/os-release", std::move(release));
  }
  return machine;
}

}  // namespace berth::agentd
