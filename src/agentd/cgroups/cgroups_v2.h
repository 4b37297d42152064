#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agentd/cgroups/cgroup_tree.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/cgroups/cpu_pool.h"

namespace berth::agentd {

// Control groups version 2: one directory per task below `mount`/`root`, made for it and removed
// after it.
//
// Needs the controllers cpu, memory and pids at the mount, and turns them on from there down to the
// root; cpuset and io where they are there. Limits: cpu.weight, cpu.max, memory.max with
// memory.swap.max 0, pids.max, io.weight, cpuset.cpus and cpuset.mems; kill: cgroup.kill; peak:
// memory.peak, where the kernel has it (5.19).
//
// `tree` outlives it. Returns FailedPrecondition when another agent has the root.
absl::StatusOr<std::unique_ptr<Cgroups>> OpenCgroupsV2(CgroupTree& tree, const std::string& mount,
                                                       const std::string& root, CpuPool cpus);

// Whether the hierarchy at `mount` has the controllers that tasks need.
bool HasControllersV2(CgroupTree& tree, const std::string& mount);

}  // namespace berth::agentd
