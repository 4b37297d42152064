#pragma once

#include "agentd/cgroups/cpu_pool.h"

namespace berth::agentd {

// Two NUMA nodes of four CPUs each.
inline CpuPool TwoNumaNodes() { return CpuPool({{0, {0, 1, 2, 3}}, {1, {4, 5, 6, 7}}}); }

}  // namespace berth::agentd
