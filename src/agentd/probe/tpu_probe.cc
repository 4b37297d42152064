#include "agentd/probe/tpu_probe.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "agentd/probe/sysfs.h"

namespace berth::agentd {
namespace {

constexpr int64_t kGoogle = 0x1ae0;

struct Chip {
  int64_t device = 0;
  std::string_view model;
};
// PCI device ids, as JAX tells chips apart by.
constexpr std::array<Chip, 6> kChips = {{{0x0027, "v3"},
                                         {0x005e, "v4"},
                                         {0x0062, "v5p"},
                                         {0x0063, "v5e"},
                                         {0x006f, "v6e"},
                                         {0x0076, "v7x"}}};

// "0x1ae0"
int64_t ReadHex(const std::string& path) {
  const std::string line = ReadLine(path).value_or("");
  int64_t number = 0;
  if (!line.starts_with("0x")) return 0;
  std::from_chars(line.data() + 2, line.data() + line.size(), number, 16);
  return number;
}

// The chip's number among /dev/accelN comes from its own driver; with VFIO its group is the file.
bool HasDeviceFile(const std::string& root, const std::string& pci) {
  std::error_code error;
  for (const std::string& name : NamesIn(pci + "/accel")) {
    if (std::filesystem::exists(root + "/dev/" + name, error)) return true;
  }
  const std::filesystem::path group = std::filesystem::read_symlink(pci + "/iommu_group", error);
  return !error && std::filesystem::exists(root + "/dev/vfio/" + group.filename().string(), error);
}

}  // namespace

std::vector<ProbedDevice> ProbeTpus(const std::string& root) {
  std::vector<ProbedDevice> tpus;
  const std::string folder = root + "/sys/bus/pci/devices/";
  for (const std::string& address : NamesIn(folder)) {
    const std::string pci = folder + address;
    if (ReadHex(pci + "/vendor") != kGoogle) continue;
    const int64_t device = ReadHex(pci + "/device");
    for (const Chip& chip : kChips) {
      if (chip.device != device) continue;
      ProbedDevice tpu{.id = std::string(kTpuPrefix) + std::to_string(tpus.size()),
                       .kind = "tpu",
                       .model = std::string(chip.model)};
      if (const auto numa = ReadNumber(pci + "/numa_node"); numa && *numa >= 0) {
        tpu.numa_node = static_cast<int32_t>(*numa);
      }
      if (!HasDeviceFile(root, pci)) {
        tpu.unhealthy_reason = "the chip at " + address + " has no device file";
      }
      tpus.push_back(std::move(tpu));
      break;
    }
  }
  return tpus;
}

}  // namespace berth::agentd
