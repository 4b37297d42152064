#include "agentd/probe/usage_probe.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>

#include "agentd/probe/cpu_probe.h"
#include "agentd/probe/disk_probe.h"
#include "agentd/probe/network_probe.h"
#include "agentd/probe/sysfs.h"
#include "base/small_file.h"

namespace berth::agentd {
namespace {

std::vector<int64_t> Numbers(std::string_view line) {
  std::vector<int64_t> numbers;
  const char* at = line.data();
  const char* const end = at + line.size();
  while (true) {
    while (at < end && *at == ' ') ++at;
    int64_t number = 0;
    const auto read = std::from_chars(at, end, number);
    if (read.ec != std::errc()) return numbers;
    numbers.push_back(number);
    at = read.ptr;
  }
}

// Of "some avg10=1.53 avg60=...": 15.
int32_t TenSecondsMilli(std::string_view line) {
  constexpr std::string_view kKey = "avg10=";
  const size_t at = line.find(kKey);
  if (at == std::string_view::npos) return 0;
  double percent = 0;
  std::from_chars(line.data() + at + kKey.size(), line.data() + line.size(), percent);
  return std::clamp(static_cast<int32_t>(percent * 10), 0, 1000);
}

std::optional<v1::Pressure> ReadPressure(const std::string& path) {
  const auto text = base::ReadSmallFile(path);
  if (!text.ok()) return std::nullopt;
  v1::Pressure pressure;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("some ")) pressure.set_some_milli(TenSecondsMilli(line));
    if (line.starts_with("full ")) pressure.set_full_milli(TenSecondsMilli(line));
  }
  return pressure;
}

}  // namespace

v1::Usage ProbeUsage() {
  v1::Usage usage;
  const absl::StatusOr<std::string> stat = base::ReadSmallFile("/proc/stat");
  if (stat.ok()) usage.set_cpu_time_ms(BusyCpuMs(*stat, sysconf(_SC_CLK_TCK)));
  const absl::StatusOr<std::string> meminfo = base::ReadSmallFile("/proc/meminfo");
  if (meminfo.ok()) {
    usage.set_memory_bytes(MemInfoBytes(*meminfo, "MemTotal") -
                           MemInfoBytes(*meminfo, "MemAvailable"));
  }
  return usage;
}

v1::NodeUsage ProbeParts(const std::string& root, const std::string& scratch_folder) {
  v1::NodeUsage usage;
  const auto pressure = [&](const char* resource) {
    return ReadPressure(root + "/proc/pressure/" + resource);
  };
  if (const auto cpu = pressure("cpu")) *usage.mutable_cpu_pressure() = *cpu;
  if (const auto memory = pressure("memory")) *usage.mutable_memory_pressure() = *memory;
  if (const auto io = pressure("io")) *usage.mutable_io_pressure() = *io;
  if (const auto scratch = ProbeFilesystem(scratch_folder); scratch.ok()) {
    usage.mutable_scratch()->set_size_bytes(scratch->size_bytes);
    usage.mutable_scratch()->set_free_bytes(scratch->free_bytes);
  }
  for (const Disk& disk : ProbeDisks(root)) {
    // Reads, merged, sectors, ms; writes, merged, sectors, ms; in flight, ms busy, ...
    const auto stat = ReadLine(root + "/sys/block/" + disk.name + "/stat");
    const std::vector<int64_t> numbers = Numbers(stat.value_or(""));
    if (numbers.size() < 10) continue;
    v1::DiskUsage& added = *usage.mutable_disks()->add_disks();
    added.set_name(disk.name);
    added.set_read_bytes(numbers[2] * kSectorBytes);
    added.set_written_bytes(numbers[6] * kSectorBytes);
    added.set_busy_ms(numbers[9]);
  }
  for (const NetworkInterface& interface : ProbeInterfaces(root)) {
    const std::string folder = root + "/sys/class/net/" + interface.name + "/statistics/";
    const auto received = ReadNumber(folder + "rx_bytes");
    const auto sent = ReadNumber(folder + "tx_bytes");
    if (!received || !sent) continue;
    v1::InterfaceUsage& added = *usage.mutable_interfaces()->add_interfaces();
    added.set_name(interface.name);
    added.set_received_bytes(*received);
    added.set_sent_bytes(*sent);
  }
  return usage;
}

v1::DeviceUsages ToProto(const std::vector<DeviceUsage>& devices) {
  v1::DeviceUsages usages;
  for (const DeviceUsage& device : devices) {
    v1::DeviceUsage& added = *usages.add_devices();
    added.set_id(device.id);
    if (device.utilisation_percent >= 0) added.set_utilisation_percent(device.utilisation_percent);
    added.set_memory_used_bytes(device.memory_used_bytes);
    if (device.power_milliwatts >= 0) added.set_power_milliwatts(device.power_milliwatts);
    if (device.temperature_celsius >= 0) added.set_temperature_celsius(device.temperature_celsius);
    added.set_uncorrected_errors(device.uncorrected_errors);
  }
  return usages;
}

int64_t BusyCpuMs(std::string_view stat, int64_t ticks_per_second) {
  // "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...": all but the fourth and fifth; what
  // comes after the eighth is part of the first two.
  if (stat.substr(0, 4) != "cpu " || ticks_per_second <= 0) return 0;
  const char* at = stat.data() + 4;
  const char* end = stat.data() + std::min(stat.find('\n'), stat.size());
  int64_t ticks = 0;
  for (int field = 0; field < 8 && at < end; ++field) {
    while (at < end && *at == ' ') ++at;
    int64_t number = 0;
    at = std::from_chars(at, end, number).ptr;
    if (field != 3 && field != 4) ticks += number;
  }
  return ticks * 1000 / ticks_per_second;
}

}  // namespace berth::agentd
