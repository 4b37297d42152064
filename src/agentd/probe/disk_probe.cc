#include "agentd/probe/disk_probe.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "agentd/probe/sysfs.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {}  // namespace

std::vector<Disk> ProbeDisks(const std::string& root) {
  std::vector<Disk> disks;
  const std::string folder = root + "/sys/block/";
  for (const std::string& name : NamesIn(folder)) {
    std::error_code error;
    // What is made from other disks, or from memory, hangs on no bus. Drives for discs come without
    // one that is worth counting.
    if (!std::filesystem::exists(folder + name + "/device", error)) continue;
    const int64_t size = ReadNumber(folder + name + "/size").value_or(0) * kSectorBytes;
    if (size <= 0 || ReadNumber(folder + name + "/removable") == 1) continue;
    Disk disk{.name = name, .size_bytes = size};
    if (name.starts_with("nvme")) {
      disk.disk_class = DiskClass::kNvme;
    } else if (ReadNumber(folder + name + "/queue/rotational") == 0) {
      disk.disk_class = DiskClass::kSsd;
    }
    disks.push_back(std::move(disk));
  }
  return disks;
}

bool DisksWeigh(const std::string& root) {
  const std::string folder = root + "/sys/block/";
  for (const std::string& name : NamesIn(folder)) {
    const std::string scheduler = ReadLine(folder + name + "/queue/scheduler").value_or("");
    if (scheduler.find("[bfq]") != std::string::npos) return true;
    if (scheduler.find("[cfq]") != std::string::npos) return true;
  }
  return false;
}

absl::StatusOr<Filesystem> ProbeFilesystem(const std::string& folder) {
  struct statvfs found = {};
  if (statvfs(folder.c_str(), &found) != 0) {
    return absl::ErrnoToStatus(errno, base::A("cannot see how much room there is in " + folder));
  }
  const auto unit = static_cast<int64_t>(found.f_frsize);
  return Filesystem{.size_bytes = static_cast<int64_t>(found.f_blocks) * unit,
                    .free_bytes = static_cast<int64_t>(found.f_bavail) * unit};
}

}  // namespace berth::agentd
