// What agent.yaml says, as plain values.
//
// Made by LoadAgentConfig (agent_loader.h), which checks every value. The initializers are the
// defaults. Keys of the file are the members' names in camelCase.
//
// Threading: values; copy them freely.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/log_config.h"

namespace berth::config {

// How tasks are kept apart.
enum class Isolation {
  kAuto,      // v2 where its controllers are, else v1, else the agent refuses to start
  kCgroupV1,  // "v1"
  kCgroupV2,  // "v2"
  kNone,      // shown as isolation=none, never chosen silently
};

enum class TaintEffect { kNoSchedule, kPreferNoSchedule, kNoExecute };

struct TaintConfig {
  std::string key;
  std::string value;
  TaintEffect effect = TaintEffect::kNoSchedule;

  friend bool operator==(const TaintConfig&, const TaintConfig&) = default;
};

enum class LinkKind { kPcie, kNvlink, kNvswitch, kIci, kXgmi };

struct DeviceLinkConfig {
  // DeviceConfig::id of the other end.
  std::string peer;
  LinkKind kind = LinkKind::kPcie;
  // One way. 0: not known.
  int64_t bandwidth_bytes_per_s = 0;

  friend bool operator==(const DeviceLinkConfig&, const DeviceLinkConfig&) = default;
};

struct DeviceConfig {
  // Unique on the node.
  std::string id;
  // "gpu", "tpu", ... lower case.
  std::string kind;
  // Empty: not known.
  std::string model;
  // 0: not known, or none.
  int64_t memory_bytes = 0;
  std::optional<int32_t> numa_node;
  std::vector<DeviceLinkConfig> links;
  std::vector<int32_t> torus_coordinates;
  // Non-empty: the device must not be used, and why.
  std::string unhealthy_reason;

  friend bool operator==(const DeviceConfig&, const DeviceConfig&) = default;
};

struct LocalDataConfig {
  std::string name;
  // 0: not known.
  int64_t size_bytes = 0;

  friend bool operator==(const LocalDataConfig&, const LocalDataConfig&) = default;
};

// What the node offers. What is absent is probed.
struct InventoryConfig {
  std::optional<int64_t> cpu_milli;
  std::optional<int64_t> memory_bytes;
  std::optional<int64_t> storage_bytes;
  std::optional<int64_t> bandwidth_bits_per_s;
  std::map<std::string, int64_t> extended;
  std::map<std::string, std::string> labels;
  std::vector<TaintConfig> taints;
  std::vector<DeviceConfig> devices;
  std::vector<LocalDataConfig> data_sets;
  std::vector<LocalDataConfig> models;

  friend bool operator==(const InventoryConfig&, const InventoryConfig&) = default;
};

// Taken off what was probed or declared, for the machine itself.
struct ReserveConfig {
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  int64_t storage_bytes = 0;

  friend bool operator==(const ReserveConfig&, const ReserveConfig&) = default;
};

struct AgentConfig {
  // "unix:/path" or "host:port".
  std::string server = "unix:/run/berth/berthd.sock";
  // Name of the node. The loader fills in the machine's host name, lower-cased.
  std::string node_name;
  // Journal, shim files and tasks' output.
  std::string state_dir = "/var/lib/berth-agent";
  // The shim's program. Empty: `berth-shim` beside the agent's own.
  std::string shim;
  // Directory below the cgroup mounts under which tasks get theirs, relative to each mount.
  std::string cgroup_root = "berth";
  Isolation isolation = Isolation::kAuto;
  // True: tasks of uid 0 may run as root here.
  bool allow_root = false;
  // File that `inventory` was read from. Empty: from agent.yaml itself, or probed. Never both.
  std::string inventory_file;
  InventoryConfig inventory;
  // Folders whose entries are data sets, and models. Absolute.
  std::vector<std::string> data_roots;
  std::vector<std::string> model_roots;
  ReserveConfig reserve;
  LogConfig log;

  friend bool operator==(const AgentConfig&, const AgentConfig&) = default;
};

}  // namespace berth::config
