// What berthd.yaml says, as plain values.
//
// Made by LoadBerthdConfig (berthd_loader.h), which checks every value, so that a reader of these
// structs checks nothing. The initializers here are the defaults (docs/defaults.md repeats them; a
// test compares). Keys of the file are the members' names in camelCase, without the unit, which
// values carry: `data_dir` is `dataDir`, `memory_bytes` is `memory: 1Gi`.
//
// Threading: values; copy them freely.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "berth/plugin_args.h"
#include "config/log_config.h"

namespace berth::config {

// What a task gets where its submission is silent. A queue may override them later.
struct TaskDefaults {
  int64_t cpu_milli = 1000;
  int64_t memory_bytes = int64_t{1} << 30;
  // Between SIGTERM and SIGKILL.
  absl::Duration grace = absl::Seconds(30);

  friend bool operator==(const TaskDefaults&, const TaskDefaults&) = default;
};

// Bounds that keep one client, or one turn, from taking the daemon for itself.
struct Limits {
  // Largest gRPC message accepted.
  int64_t message_bytes = int64_t{4} << 20;
  // Largest serialised JobSpec accepted.
  int64_t job_bytes = int64_t{1} << 20;
  // Room in the three inbox classes, in commands. A full one answers RESOURCE_EXHAUSTED.
  int64_t inbox_facts = 65'536;
  int64_t inbox_operator = 1'024;
  int64_t inbox_submissions = 16'384;
  // Most commands applied in one turn.
  int64_t commands_per_turn = 4'096;
  // Columns touched in one turn before it ends: the deterministic budget of the loop.
  int64_t work_units_per_turn = 20'000'000;

  friend bool operator==(const Limits&, const Limits&) = default;
};

// What is kept of what has ended. Whichever bound is reached first.
struct Retention {
  absl::Duration finished_jobs_age = absl::Hours(7 * 24);
  int64_t finished_jobs_count = 1'000'000;
  // Ends of tasks' output, altogether; the oldest jobs' go first. 0: none.
  int64_t output_tails_bytes = int64_t{1} << 30;

  friend bool operator==(const Retention&, const Retention&) = default;
};

// berthd's own snapshots of its state.
struct Snapshots {
  // Made when it is missing. In a file that does not name it: `snapshots` in dataDir.
  std::string directory = "/var/lib/berth/snapshots";
  // Between two of them. Zero: none are made.
  absl::Duration interval = absl::Hours(24);
  // The newest ones, that are not removed.
  int64_t keep = 7;

  friend bool operator==(const Snapshots&, const Snapshots&) = default;
};

// One plugin named at an extension point.
struct PluginRef {
  std::string name;
  // Only read at `score`; 1 to 100.
  int64_t weight = 1;

  friend bool operator==(const PluginRef&, const PluginRef&) = default;
};

// The plugins of one extension point.
struct PluginSet {
  // In the order of the file.
  std::vector<PluginRef> enabled;
  // Names taken out of the default set; "*" takes out all of it.
  std::vector<std::string> disabled;

  friend bool operator==(const PluginSet&, const PluginSet&) = default;
};

// Arguments of one plugin: an untyped tree, that the plugin itself decodes and judges.
struct PluginConfig {
  std::string name;
  // A map.
  PluginArgs args;

  friend bool operator==(const PluginConfig&, const PluginConfig&) = default;
};

// A named set of plugins. The shape of KubeSchedulerConfiguration. Which plugin names exist, and
// what is enabled where a set is silent, is known to the pipeline, not here.
struct ProfileConfig {
  std::string name = "default";
  PluginSet filter;
  PluginSet score;
  // The plugin that orders the queue.
  std::string queue_sort = "PrioritySort";
  // How equal totals are decided: "fixed", by rank.
  std::string tie = "fixed";
  std::vector<PluginConfig> plugin_config;

  friend bool operator==(const ProfileConfig&, const ProfileConfig&) = default;
};

// What belongs to no node: licences, shared storage, a rack's uplink.
struct ClusterResource {
  std::string name;          // tasks ask for it as for other resources
  int64_t capacity = 0;      // 0 to 2^30 - 1
  std::string topology_key;  // a label: there is so much in each of its domains. Empty: in all

  friend bool operator==(const ClusterResource&, const ClusterResource&) = default;
};

// What is read out of jobs and learned from tasks that end.
struct FeaturesConfig {
  // What becomes of amounts that a job leaves open and somebody else knows: "off", "suggest" (told
  // at submission) or "apply" (in place of taskDefaults).
  std::string fill = "off";
  // The same by namespace.
  std::map<std::string, std::string> fill_by_namespace;
  // File with tables that are added to those that are built in. Empty: none.
  std::string rules;
  // Groups of alike tasks that are known at once; each takes 0.3 to 1.7 KiB.
  int64_t history_groups = 50'000;

  friend bool operator==(const FeaturesConfig&, const FeaturesConfig&) = default;
};

struct BerthdConfig {
  // Where state lives. Belongs to one daemon of one cluster.
  std::string data_dir = "/var/lib/berth";
  // Path of the Unix socket that clients and local agents dial.
  std::string socket = "/run/berth/berthd.sock";
  // Permission bits of the socket.
  uint32_t socket_mode = 0660;
  // Group that owns the socket. Empty: the daemon's own.
  std::string socket_group;
  // "host:port" for gRPC over TCP. Empty: off. Only a loopback address, and only with `insecure`.
  std::string listen;
  // Accept `listen` without TLS.
  bool insecure = false;
  // Take agents on `listen` too: whoever reaches it may then be a node and gets the tasks, scripts
  // and environments included, of every user.
  bool insecure_agents = false;
  // "host:port" for /metrics, /livez and /readyz. Empty: off.
  std::string http_listen = "127.0.0.1:7461";
  // For people: in the log's first line and in berth_build_info. [A-Za-z0-9_.-]{0,63}.
  std::string cluster_name;
  LogConfig log;

  // What Welcome tells agents, and when a silent node counts as gone.
  absl::Duration heartbeat_interval = absl::Seconds(10);
  absl::Duration lease = absl::Seconds(40);
  absl::Duration lost_after = absl::Minutes(5);

  TaskDefaults task_defaults;
  Limits limits;
  Retention retention;
  Snapshots snapshots;
  // Changes of this many epochs are kept for watches that resume.
  int64_t watch_history_epochs = 100'000;
  // Each that many placements, one is held against a look at every node, for those who write
  // plugins. 0: none.
  int64_t check_placements = 0;

  // False: jobs are not read, nothing is learned, and no task has hints.
  bool reads_features = true;
  FeaturesConfig features;

  // Folder with libraries of plugins (`*.so`), loaded at the start. Empty: none.
  std::string plugin_dir;
  // Start without those that cannot be used, in place of not at all.
  bool ignore_broken_plugins = false;

  std::vector<ClusterResource> cluster_resources;  // names are unique

  // Never empty after loading: without any in the file, one with default plugins. Names are unique.
  std::vector<ProfileConfig> profiles = {ProfileConfig{}};

  friend bool operator==(const BerthdConfig&, const BerthdConfig&) = default;
};

}  // namespace berth::config
