#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/v1/agent.pb.h"
#include "config/agent_config.h"

namespace berth::agentd {

// What the machine has, as far as this version looks.
struct Probed {
  int64_t cpu_milli = 0;                      // CPUs that this process may run on
  int64_t memory_bytes = 0;                   // all of the machine
  std::map<std::string, std::string> labels;  // berth/hostname, berth/os, berth/kernel, berth/arch
};

absl::StatusOr<Probed> ProbeNode();

// What the machine uses now. Fields that cannot be read are 0. Cost: two files of /proc.
v1::Usage ProbeUsage();

// /proc/meminfo's entry in bytes, or 0; "MemTotal", for one. Pure.
int64_t MemInfoBytes(std::string_view meminfo, std::string_view entry);

// CPU time of all CPUs in milliseconds that was not idle, from /proc/stat. Pure.
int64_t BusyCpuMs(std::string_view stat, int64_t ticks_per_second);

// What the node offers: what the configuration declares, and the probe's word for the rest, less
// what is reserved for the machine itself; rounded down to quanta. InvalidArgument when nothing is
// left. Pure.
absl::StatusOr<v1::NodeInventory> MakeInventory(const Probed& probed,
                                                const config::InventoryConfig& declared,
                                                const config::ReserveConfig& reserve);

}  // namespace berth::agentd
