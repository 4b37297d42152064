// What the machine uses.
#pragma once

#include <cstdint>
#include <string_view>

#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// What the machine uses now. Fields that cannot be read are 0. Cost: two files of /proc.
v1::Usage ProbeUsage();

// CPU time of all CPUs in milliseconds that was not idle, from /proc/stat. Pure.
int64_t BusyCpuMs(std::string_view stat, int64_t ticks_per_second);

}  // namespace berth::agentd
