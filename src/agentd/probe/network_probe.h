// Network interfaces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/probe/machine.h"

namespace berth::agentd {

// Physical interfaces of the tree at `root` ("" for this machine's), by name: what hangs on a bus,
// so neither lo nor bridges, bonds, tunnels and ends of veth pairs.
std::vector<NetworkInterface> ProbeInterfaces(const std::string& root);

// IP addresses of this machine that others may reach it by, those of `default_interface` first;
// none of loopback, link-local or virtual Ethernet.
std::vector<std::string> ProbeAddresses(std::string_view default_interface);

// Name of the interface that /proc/net/route sends by default, or "". Pure.
std::string DefaultInterface(std::string_view route);

// Machine::bandwidth_bits_per_s. Pure.
int64_t BandwidthOf(const std::vector<NetworkInterface>& interfaces,
                    std::string_view default_interface);

}  // namespace berth::agentd
