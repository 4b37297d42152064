#include "agentd/probe/node_probe.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/quantities.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr int64_t kMebibyte = 1 << 20;
constexpr int64_t kMegabit = 1'000'000;

int64_t RoundDown(int64_t amount, int64_t quantum) { return amount - amount % quantum; }

// CPUs of this process's affinity: on a machine shared by others, that is what it was given.
int64_t CpuCount() {
  // Room for 8192 CPUs; the call fails when there are more.
  cpu_set_t* set = CPU_ALLOC(8192);
  const size_t size = CPU_ALLOC_SIZE(8192);
  const int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
  CPU_FREE(set);
  return count > 0 ? count : sysconf(_SC_NPROCESSORS_ONLN);
}

v1::TaintEffect ToProto(config::TaintEffect effect) {
  switch (effect) {
    case config::TaintEffect::kNoSchedule:
      return v1::TAINT_EFFECT_NO_SCHEDULE;
    case config::TaintEffect::kPreferNoSchedule:
      return v1::TAINT_EFFECT_PREFER_NO_SCHEDULE;
    case config::TaintEffect::kNoExecute:
      return v1::TAINT_EFFECT_NO_EXECUTE;
  }
  return v1::TAINT_EFFECT_UNSPECIFIED;
}

v1::LinkKind ToProto(config::LinkKind kind) {
  switch (kind) {
    case config::LinkKind::kPcie:
      return v1::LINK_KIND_PCIE;
    case config::LinkKind::kNvlink:
      return v1::LINK_KIND_NVLINK;
    case config::LinkKind::kNvswitch:
      return v1::LINK_KIND_NVSWITCH;
    case config::LinkKind::kIci:
      return v1::LINK_KIND_ICI;
    case config::LinkKind::kXgmi:
      return v1::LINK_KIND_XGMI;
  }
  return v1::LINK_KIND_UNSPECIFIED;
}

v1::Device ToProto(const config::DeviceConfig& device) {
  v1::Device proto;
  proto.set_id(device.id);
  proto.set_kind(device.kind);
  proto.set_model(device.model);
  proto.set_memory_bytes(RoundDown(device.memory_bytes, kMebibyte));
  if (device.numa_node) proto.set_numa_node(*device.numa_node);
  for (const config::DeviceLinkConfig& link : device.links) {
    v1::DeviceLink& added = *proto.add_links();
    added.set_peer_id(link.peer);
    added.set_kind(ToProto(link.kind));
    added.set_bandwidth_bytes_per_s(link.bandwidth_bytes_per_s);
  }
  for (const int32_t coordinate : device.torus_coordinates) {
    proto.add_torus_coordinates(coordinate);
  }
  proto.set_unhealthy(!device.unhealthy_reason.empty());
  proto.set_unhealthy_reason(device.unhealthy_reason);
  return proto;
}

}  // namespace

absl::StatusOr<Probed> ProbeNode() {
  Probed probed;
  probed.cpu_milli = CpuCount() * 1000;
  BERTH_ASSIGN_OR_RETURN(const std::string meminfo, base::ReadSmallFile("/proc/meminfo"));
  probed.memory_bytes = MemInfoBytes(meminfo, "MemTotal");
  utsname names = {};
  if (uname(&names) != 0) return absl::ErrnoToStatus(errno, "cannot read the machine's name");
  probed.labels = {{"berth/hostname", names.nodename},
                   {"berth/os", "linux"},
                   {"berth/kernel", names.release},
                   {"berth/arch", names.machine}};
  return probed;
}

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

int64_t MemInfoBytes(std::string_view meminfo, std::string_view entry) {
  while (!meminfo.empty()) {
    const size_t end = std::min(meminfo.find('\n'), meminfo.size());
    const std::string_view line = meminfo.substr(0, end);
    meminfo.remove_prefix(std::min(end + 1, meminfo.size()));
    if (line.size() <= entry.size() || line.substr(0, entry.size()) != entry ||
        line[entry.size()] != ':') {
      continue;
    }
    const size_t digit = line.find_first_of("0123456789");
    int64_t kibibytes = 0;
    if (digit == std::string_view::npos) return 0;
    std::from_chars(line.data() + digit, line.data() + line.size(), kibibytes);
    return kibibytes * 1024;
  }
  return 0;
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

absl::StatusOr<v1::NodeInventory> MakeInventory(const Probed& probed,
                                                const config::InventoryConfig& declared,
                                                const config::ReserveConfig& reserve) {
  v1::NodeInventory inventory;
  const int64_t cpu = declared.cpu_milli.value_or(probed.cpu_milli) - reserve.cpu_milli;
  const int64_t memory = RoundDown(
      declared.memory_bytes.value_or(probed.memory_bytes) - reserve.memory_bytes, kMebibyte);
  if (cpu <= 0) {
    return absl::InvalidArgumentError(
        base::A("reserve.cpu " + base::FormatCpuMilli(reserve.cpu_milli) +
                " leaves nothing of the node's " + base::FormatCpuMilli(cpu + reserve.cpu_milli) +
                ": lower it in agent.yaml"));
  }
  if (memory <= 0) {
    return absl::InvalidArgumentError(
        base::A("reserve.memory " + base::FormatBytesExact(reserve.memory_bytes) +
                " leaves nothing of the node's memory: lower it in agent.yaml"));
  }
  v1::Resources& capacity = *inventory.mutable_capacity();
  capacity.set_cpu_milli(cpu);
  capacity.set_memory_bytes(memory);
  if (declared.storage_bytes) {
    capacity.set_storage_bytes(RoundDown(*declared.storage_bytes, kMebibyte));
  }
  if (declared.bandwidth_bits_per_s) {
    capacity.set_bandwidth_bits_per_s(RoundDown(*declared.bandwidth_bits_per_s, kMegabit));
  }
  for (const auto& [name, amount] : declared.extended)
    (*capacity.mutable_extended())[name] = amount;

  for (const auto& [key, value] : probed.labels) (*inventory.mutable_labels())[key] = value;
  for (const auto& [key, value] : declared.labels) (*inventory.mutable_labels())[key] = value;
  for (const config::TaintConfig& taint : declared.taints) {
    v1::Taint& added = *inventory.add_taints();
    added.set_key(taint.key);
    added.set_value(taint.value);
    added.set_effect(ToProto(taint.effect));
  }
  for (const config::DeviceConfig& device : declared.devices) {
    *inventory.add_devices() = ToProto(device);
  }
  for (const config::LocalDataConfig& data : declared.data_sets) {
    v1::LocalData& added = *inventory.add_data_sets();
    added.set_name(data.name);
    added.set_size_bytes(data.size_bytes);
  }
  for (const config::LocalDataConfig& model : declared.models) {
    v1::LocalData& added = *inventory.add_models();
    added.set_name(model.name);
    added.set_size_bytes(model.size_bytes);
  }
  return inventory;
}

}  // namespace berth::agentd
