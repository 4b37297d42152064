// What a shim is to run, as the agent builds it, and its encoding as the bytes of a spec file.
//
// Threading: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shim/shim_protocol.h"

namespace berth::shim {

struct TaskUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  // supplementary, at most kMaxGroups
};

// A root file system of the task's own, made by an OCI runtime; see container.h.
struct ContainerSpec {
  std::string runtime;         // absolute
  std::string bundle;          // absolute; has what ContainerBundle names
  std::string image;           // absolute: the directory that it is made of
  bool image_as_user = false;  // the task's user must be allowed to read it
  // Folders and files of the node, each after its mode (kReadOnlyMount, ...); at most kMaxMounts.
  std::vector<std::string> mounts;
  std::vector<std::string> mount_targets;  // of each its place in the container, absolute
};

// The container of a task that runs, for what runs beside it.
struct InsideContainer {
  int32_t init = 0;  // its process 1
  int32_t shim = 0;  // the parent of that
  // The program is the node's own, static, and sees of the container only its files.
  bool for_files = false;
};

struct TaskSpec {
  // The program first. With a slash it is a path (relative to working_directory), without one it is
  // looked up in the PATH of `environment`. At least one.
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // NAME=value
  std::string working_directory;         // absolute
  std::string input_path;                // empty: the shim's own
  std::string output_path;               // opened to append, made if missing; empty: the shim's own
  std::string error_path;
  std::optional<TaskUser> user;  // absent: the shim's own
  std::optional<ContainerSpec> container;
  std::optional<InsideContainer> inside;  // not with `container`
  // cgroup.procs files that the task joins before it is executed; at most kMaxCgroups.
  std::vector<std::string> cgroup_procs;
  KillMethod kill_method = KillMethod::kDescendants;
  std::string kill_directory;
  MemoryAccounting memory_accounting = MemoryAccounting::kRusage;
  std::string memory_directory;
  // The node's lease file, absolute: the task is fenced, and ends with the lease. Empty: it is not.
  std::string lease_path;
  // Path of the network namespace that the task joins; empty: the shim's own.
  std::string network_namespace;
  int64_t lease_until_ms = 0;  // until when it was to last when the task was accepted
  uint64_t oom_kills_before = 0;
  ConsoleKind console = ConsoleKind::kNone;  // not kNone: without an input_path
  uint16_t rows = 0;                         // of a terminal
  uint16_t columns = 0;
  uint32_t umask = 022;
  int32_t nice = 0;
  int64_t grace_ms = 30000;
  int64_t time_limit_ms = 0;     // 0: none
  uint64_t open_files_soft = 0;  // 0: as the shim has it
};

// The bytes of the spec file. Returns an empty string when a string has a NUL inside, or there are
// more cgroups or groups than a shim takes: such a spec cannot be written.
// Cost: O(bytes).
std::string EncodeSpec(const TaskSpec& spec);

}  // namespace berth::shim
