#include "agentd/probe/network_probe.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "agentd/probe/sysfs.h"

namespace berth::agentd {

std::vector<NetworkInterface> ProbeInterfaces(const std::string& root) {
  std::vector<NetworkInterface> interfaces;
  const std::string folder = root + "/sys/class/net/";
  for (const std::string& name : NamesIn(folder)) {
    const std::string path = folder + name;
    std::error_code error;
    if (!std::filesystem::exists(path + "/device", error)) continue;
    NetworkInterface interface { .name = name };
    interface.up = ReadLine(path + "/operstate") == "up";
    // In Mbit/s; -1, or an error, where nobody knows.
    interface.speed_bits_per_s =
        std::max<int64_t>(0, ReadNumber(path + "/speed").value_or(0)) * 1'000'000;
    if (const auto numa = ReadNumber(path + "/device/numa_node"); numa && *numa >= 0) {
      interface.numa_node = static_cast<int32_t>(*numa);
    }
    interfaces.push_back(std::move(interface));
  }
  return interfaces;
}

std::string DefaultInterface(std::string_view route) {
  // "Iface Destination Gateway Flags ...", addresses in hexadecimal.
  std::istringstream lines{std::string(route)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name;
    std::string destination;
    if (fields >> name >> destination && destination == "00000000") return name;
  }
  return "";
}

int64_t BandwidthOf(const std::vector<NetworkInterface>& interfaces,
                    std::string_view default_interface) {
  int64_t fastest = 0;
  for (const NetworkInterface& interface : interfaces) {
    if (interface.name == default_interface && interface.speed_bits_per_s > 0) {
      return interface.speed_bits_per_s;
    }
    if (interface.up) fastest = std::max(fastest, interface.speed_bits_per_s);
  }
  return fastest;
}

}  // namespace berth::agentd
