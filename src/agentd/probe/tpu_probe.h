// TPU chips.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agentd/probe/machine.h"

namespace berth::agentd {

// What a TPU chip's id begins with; its number follows.
inline constexpr std::string_view kTpuPrefix = "tpu-";

// TPU chips of the tree at `root` ("" for this machine's), in order of their PCI addresses, which
// is the order of TPU_VISIBLE_CHIPS: "tpu-0", "tpu-1", ... A chip whose device file (/dev/accelN,
// or its VFIO group's) is not there is unhealthy.
std::vector<ProbedDevice> ProbeTpus(const std::string& root);

}  // namespace berth::agentd
