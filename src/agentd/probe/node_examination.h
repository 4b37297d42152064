#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "berth/v1/types.pb.h"

namespace berth::agentd {

// What an agent brings along to an examination of its node.
struct NodeExamination {
  std::string state_dir;
  std::string shim_program;
  std::string isolation;     // "cgroup-v1", "cgroup-v2" or "none"
  absl::Status cgroup_made;  // of a try to make one like a task's
  uint64_t journal_bytes = 0;
  // Since berthd last answered a heartbeat; nothing: it has answered none in this session.
  std::optional<int64_t> unanswered_ms;
  int64_t heartbeat_interval_ms = 0;
  int gpus = 0;       // that its driver tells of
  int sick_gpus = 0;  // of these
  // What runs tasks with an image and what fetches images, as agent.yaml says: paths, or looked up
  // in the agent's PATH.
  std::string oci_runtime = "crun";
  std::string podman = "podman";
  std::string root;  // of the tree with /proc; "": this machine's
};

// What is wrong with this node, as it sees itself, in words: cgroups, the state directory's disk,
// the journal, the shim (which it runs once), berthd's answers, descriptors, pressure, programs for
// images, the driver of GPUs. What is well is said too.
//
// Threading: any thread. Blocks for as long as the shim takes, 5 s at most.
v1::Diagnosis Examine(const NodeExamination& node);

}  // namespace berth::agentd
