#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agentd/cgroups/cgroup_tree.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/cgroups/cpu_pool.h"

namespace berth::agentd {

// Where the v1 controllers that tasks need are mounted. Several may share a mount.
struct CgroupV1Mounts {
  std::string cpu;
  std::string cpuacct;
  std::string memory;
  std::string freezer;
  std::string pids;    // may be empty: then a task with max_processes is refused
  std::string cpuset;  // may be empty: then no CPUs are dedicated
  std::string blkio;   // may be empty: then disks know no weights
};

// Control groups version 1: a directory per task in each of the hierarchies.
//
// Making and removing these directories costs more than starting a small process, so they are kept:
// a task gets the cgroup of one that has ended, with only what differs written anew. One that still
// holds more than a mebibyte of memory (the page cache of its last task) is removed instead, so
// that no task starts with another's charge; so is one that still has a process, whoever says that
// nothing is left: what its shim could not see must not become part of another task.
//
// A task with CPUs of its own has a directory in cpuset too; all others share one there, which is
// narrowed and widened as the first come and go.
//
// `tree` outlives it. Returns FailedPrecondition when another agent has the root.
absl::StatusOr<std::unique_ptr<Cgroups>> OpenCgroupsV1(CgroupTree& tree,
                                                       const CgroupV1Mounts& mounts,
                                                       const std::string& root, CpuPool cpus);

}  // namespace berth::agentd
