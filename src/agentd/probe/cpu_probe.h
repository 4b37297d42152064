// Processors and main memory.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/probe/machine.h"

namespace berth::agentd {

// CPUs that this process may run on, sorted: on a machine shared with others, what it was given.
std::vector<int> OwnCpus();

// The same by number of their NUMA node, of the tree at `root` ("" for this machine's). Where the
// kernel does not say, all are of node 0.
std::map<int, std::set<int>> CpusByNuma(const std::string& root, const std::vector<int>& cpus);

// Of /proc/cpuinfo: as the first processor names itself, or "". Pure.
std::string CpuModel(std::string_view cpuinfo);

// NUMA nodes by number, of the tree at `root` ("" for this machine's), with as many of `cpus` as
// each has. Empty: the kernel does not say.
std::vector<NumaNode> ProbeNuma(const std::string& root, const std::vector<int>& cpus);

// /proc/meminfo's entry in bytes, or 0; "MemTotal", for one. Pure.
int64_t MemInfoBytes(std::string_view meminfo, std::string_view entry);

}  // namespace berth::agentd
