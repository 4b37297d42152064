// What a machine has, as plain values: what the probes find and the inventory is made from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace berth::agentd {

struct NumaNode {
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;

  friend bool operator==(const NumaNode&, const NumaNode&) = default;
};

enum class DiskClass { kHdd, kSsd, kNvme };

struct Disk {
  std::string name;  // as in /sys/block: "nvme0n1"
  DiskClass disk_class = DiskClass::kHdd;
  int64_t size_bytes = 0;

  friend bool operator==(const Disk&, const Disk&) = default;
};

struct NetworkInterface {
  std::string name;
  bool up = false;
  int64_t speed_bits_per_s = 0;  // 0: the driver does not say
  std::optional<int32_t> numa_node;

  friend bool operator==(const NetworkInterface&, const NetworkInterface&) = default;
};

// How two devices are joined, and how fast one way. 0 bytes/s: not known.
struct PeerLink {
  enum class Kind { kPcie, kNvlink, kNvswitch };

  std::string peer;  // ProbedDevice::id
  Kind kind = Kind::kPcie;
  int64_t bandwidth_bytes_per_s = 0;

  friend bool operator==(const PeerLink&, const PeerLink&) = default;
};

struct ProbedDevice {
  std::string id;    // stable: a GPU's UUID
  std::string kind;  // "gpu", "mig", "tpu"
  std::string model;
  int64_t memory_bytes = 0;  // 0: not known
  std::optional<int32_t> numa_node;
  std::vector<PeerLink> links;
  std::string unhealthy_reason;  // empty: healthy

  friend bool operator==(const ProbedDevice&, const ProbedDevice&) = default;
};

// A data set or a model that lies below a declared root.
struct LocalEntry {
  std::string name;
  int64_t size_bytes = 0;

  friend bool operator==(const LocalEntry&, const LocalEntry&) = default;
};

struct Machine {
  int64_t cpu_milli = 0;  // CPUs that this process may run on
  std::string cpu_model;  // empty: not known
  int64_t memory_bytes = 0;
  std::vector<NumaNode> numa_nodes;          // by number; empty: not known
  std::vector<Disk> disks;                   // by name
  std::vector<NetworkInterface> interfaces;  // by name; physical ones
  // Of the interface that the default route leaves through, else of the fastest that is up; 0: not
  // known.
  int64_t bandwidth_bits_per_s = 0;
  std::vector<std::string> addresses;  // as ProbeAddresses() has them
  int64_t scratch_bytes = 0;           // free where tasks' scratch folders are made
  std::vector<ProbedDevice> devices;
  std::map<std::string, std::string> labels;  // berth/hostname, berth/os, berth/kernel, berth/arch
  std::vector<LocalEntry> data_sets;
  std::vector<LocalEntry> models;

  friend bool operator==(const Machine&, const Machine&) = default;
};

}  // namespace berth::agentd
