#include "agentd/probe/inventory.h"

#include <map>
#include <string>
#include <vector>

#include "base/quantities.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr int64_t kMebibyte = 1 << 20;
constexpr int64_t kMegabit = 1'000'000;
constexpr int kMostAddresses = 16;  // berthd takes no more

int64_t RoundDown(int64_t amount, int64_t quantum) { return amount - amount % quantum; }

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

v1::LinkKind ToProto(PeerLink::Kind kind) {
  switch (kind) {
    case PeerLink::Kind::kPcie:
      return v1::LINK_KIND_PCIE;
    case PeerLink::Kind::kNvlink:
      return v1::LINK_KIND_NVLINK;
    case PeerLink::Kind::kNvswitch:
      return v1::LINK_KIND_NVSWITCH;
  }
  return v1::LINK_KIND_UNSPECIFIED;
}

v1::DiskClass ToProto(DiskClass disk_class) {
  switch (disk_class) {
    case DiskClass::kHdd:
      return v1::DISK_CLASS_HDD;
    case DiskClass::kSsd:
      return v1::DISK_CLASS_SSD;
    case DiskClass::kNvme:
      return v1::DISK_CLASS_NVME;
  }
  return v1::DISK_CLASS_UNSPECIFIED;
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

v1::Device ToProto(const ProbedDevice& device) {
  v1::Device proto;
  proto.set_id(device.id);
  proto.set_kind(device.kind);
  proto.set_model(device.model);
  proto.set_memory_bytes(RoundDown(device.memory_bytes, kMebibyte));
  if (device.numa_node) proto.set_numa_node(*device.numa_node);
  for (const PeerLink& link : device.links) {
    v1::DeviceLink& added = *proto.add_links();
    added.set_peer_id(link.peer);
    added.set_kind(ToProto(link.kind));
    added.set_bandwidth_bytes_per_s(link.bandwidth_bytes_per_s);
  }
  proto.set_unhealthy(!device.unhealthy_reason.empty());
  proto.set_unhealthy_reason(device.unhealthy_reason);
  return proto;
}

// Capacity, or what is wrong with it.
absl::Status SetCapacity(const Machine& machine, const config::InventoryConfig& declared,
                         const config::ReserveConfig& reserve, v1::Resources& capacity) {
  const int64_t cpu = declared.cpu_milli.value_or(machine.cpu_milli) - reserve.cpu_milli;
  const int64_t memory = RoundDown(
      declared.memory_bytes.value_or(machine.memory_bytes) - reserve.memory_bytes, kMebibyte);
  const int64_t storage = RoundDown(
      declared.storage_bytes.value_or(machine.scratch_bytes) - reserve.storage_bytes, kMebibyte);
  const int64_t bandwidth =
      RoundDown(declared.bandwidth_bits_per_s.value_or(machine.bandwidth_bits_per_s), kMegabit);
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
  capacity.set_cpu_milli(cpu);
  capacity.set_memory_bytes(memory);
  // A full reserve is a node without scratch storage, which is allowed; one whose network does not
  // say how fast it is has no bandwidth to give.
  if (storage > 0) capacity.set_storage_bytes(storage);
  if (bandwidth > 0) capacity.set_bandwidth_bits_per_s(bandwidth);
  for (const auto& [name, amount] : declared.extended) {
    (*capacity.mutable_extended())[name] = amount;
  }
  return absl::OkStatus();
}

v1::Hardware HardwareOf(const Machine& machine) {
  v1::Hardware hardware;
  hardware.set_cpu_model(machine.cpu_model);
  for (const NumaNode& node : machine.numa_nodes) {
    v1::NumaNode& added = *hardware.add_numa_nodes();
    added.set_cpu_milli(node.cpu_milli);
    added.set_memory_bytes(node.memory_bytes);
  }
  for (const Disk& disk : machine.disks) {
    v1::Disk& added = *hardware.add_disks();
    added.set_name(disk.name);
    added.set_disk_class(ToProto(disk.disk_class));
    added.set_size_bytes(disk.size_bytes);
  }
  for (const NetworkInterface& interface : machine.interfaces) {
    v1::NetworkInterface& added = *hardware.add_interfaces();
    added.set_name(interface.name);
    added.set_up(interface.up);
    added.set_speed_bits_per_s(interface.speed_bits_per_s);
    if (interface.numa_node) added.set_numa_node(*interface.numa_node);
  }
  return hardware;
}

template <typename Entries>
void AddLocalData(const std::vector<LocalEntry>& found,
                  const std::vector<config::LocalDataConfig>& declared, Entries& entries) {
  std::map<std::string, int64_t> sizes;
  for (const LocalEntry& entry : found) sizes[entry.name] = entry.size_bytes;
  for (const config::LocalDataConfig& entry : declared) sizes[entry.name] = entry.size_bytes;
  for (const auto& [name, size] : sizes) {
    v1::LocalData& added = *entries.Add();
    added.set_name(name);
    added.set_size_bytes(size);
  }
}

}  // namespace

absl::StatusOr<v1::NodeInventory> MakeInventory(const Machine& machine,
                                                const config::InventoryConfig& declared,
                                                const config::ReserveConfig& reserve) {
  v1::NodeInventory inventory;
  const absl::Status capacity =
      SetCapacity(machine, declared, reserve, *inventory.mutable_capacity());
  if (!capacity.ok()) return capacity;
  *inventory.mutable_hardware() = HardwareOf(machine);
  for (const std::string& address : machine.addresses) {
    if (inventory.addresses_size() < kMostAddresses) inventory.add_addresses(address);
  }
  for (const auto& [key, value] : machine.labels) (*inventory.mutable_labels())[key] = value;
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
  for (const config::TorusConfig& torus : declared.tori) {
    v1::Torus& added = *inventory.add_tori();
    added.set_kind(torus.kind);
    for (const int32_t extent : torus.extents) added.add_extents(extent);
    for (const bool wrap : torus.wraps) added.add_wraps(wrap);
  }
  if (declared.devices.empty()) {
    for (const ProbedDevice& device : machine.devices) *inventory.add_devices() = ToProto(device);
  }
  AddLocalData(machine.data_sets, declared.data_sets, *inventory.mutable_data_sets());
  AddLocalData(machine.models, declared.models, *inventory.mutable_models());
  return inventory;
}

}  // namespace berth::agentd
