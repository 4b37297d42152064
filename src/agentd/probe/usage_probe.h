// What the machine uses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/probe/machine.h"
#include "agentd/probe/nvml.h"
#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// What the machine uses now. Fields that cannot be read are 0. Cost: two files of /proc.
v1::Usage ProbeUsage();

// How its parts are used: pressure, the file system of `scratch_folder`, physical disks and
// interfaces. `root`: of the tree with /proc and /sys; "": this machine's. What the kernel does not
// tell is absent. Cost: four files, and three for each interface.
v1::NodeUsage ProbeParts(const std::string& root, const std::string& scratch_folder);

v1::DeviceUsages ToProto(const std::vector<DeviceUsage>& devices);

// CPU time of all CPUs in milliseconds that was not idle, from /proc/stat. Pure.
int64_t BusyCpuMs(std::string_view stat, int64_t ticks_per_second);

}  // namespace berth::agentd
