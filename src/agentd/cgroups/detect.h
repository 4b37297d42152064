#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agentd/cgroups/cgroup_tree.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/cgroups/cgroups_v1.h"
#include "config/agent_config.h"

namespace berth::agentd {

// The cgroup hierarchies of a machine, as /proc/self/mountinfo names them.
struct CgroupMounts {
  CgroupV1Mounts v1;
  std::string v2;  // empty: not mounted
};

// Pure: reads mountinfo's text. A controller that is not mounted has an empty path.
CgroupMounts ParseCgroupMounts(std::string_view mountinfo);

// Opens what `isolation` asks for, below `root`, and says in the log which it is. With kAuto: v2
// when it has the controllers, else v1, else FailedPrecondition with the way on: running without
// isolation is chosen by a person, never by this.
// `cpus`: those that tasks may run on. `tree` outlives the result.
absl::StatusOr<std::unique_ptr<Cgroups>> OpenCgroups(CgroupTree& tree, const CgroupMounts& mounts,
                                                     config::Isolation isolation,
                                                     const std::string& root, CpuPool cpus);

}  // namespace berth::agentd
