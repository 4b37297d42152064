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

// How devices of a kind are joined.
struct TorusConfig {
  std::string kind;
  std::vector<int32_t> extents;  // 1 to kTorusAxes
  std::vector<bool> wraps;       // as many, or none: it wraps nowhere

  friend bool operator==(const TorusConfig&, const TorusConfig&) = default;
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
  std::vector<TorusConfig> tori;
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

// A command of the node's own. Empty: none.
struct HookConfig {
  std::vector<std::string> command;  // the program absolute
  int64_t timeout_ms = 60'000;

  friend bool operator==(const HookConfig&, const HookConfig&) = default;
};

// A command that says again and again whether the node is well: exit code 0.
struct NodeCheckConfig {
  std::vector<std::string> command;  // empty: none
  int64_t period_ms = 60'000;
  int64_t timeout_ms = 30'000;

  friend bool operator==(const NodeCheckConfig&, const NodeCheckConfig&) = default;
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
  // The OCI runtime for tasks with an image, and what fetches images from a registry: paths, or
  // looked up in PATH.
  std::string oci_runtime = "crun";
  std::string podman = "podman";
  // Most that unpacked images take up; those not used for longest go first.
  int64_t image_store_bytes = int64_t{50} << 30;
  // Folders of CDI specifications. Absolute.
  std::vector<std::string> cdi_spec_dirs = {"/etc/cdi", "/var/run/cdi"};
  // File that `inventory` was read from. Empty: from agent.yaml itself, or probed. Never both.
  std::string inventory_file;
  InventoryConfig inventory;
  // Folders whose entries are data sets, and models. Absolute.
  std::vector<std::string> data_roots;
  std::vector<std::string> model_roots;
  ReserveConfig reserve;
  // Before each attempt, and after it.
  HookConfig prolog;
  HookConfig epilog;
  NodeCheckConfig health_check;
  // IPv4 addresses for tasks with a network of their own: four for each.
  std::string task_subnet = "100.64.0.0/16";
  LogConfig log;

  friend bool operator==(const AgentConfig&, const AgentConfig&) = default;
};

}  // namespace berth::config
