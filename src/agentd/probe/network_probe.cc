#include "agentd/probe/network_probe.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

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

std::vector<std::string> ProbeAddresses(std::string_view default_interface) {
  std::vector<std::string> first;
  std::vector<std::string> others;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return first;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (each->ifa_addr->sa_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
      inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) continue;
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    }
    if (text[0] == '\0') continue;
    const std::string_view name = each->ifa_name;
    if (name == default_interface) {
      first.emplace_back(text);
    } else if (std::filesystem::exists("/sys/class/net/" + std::string(name) + "/device")) {
      others.emplace_back(text);
    }
  }
  freeifaddrs(all);
  std::sort(others.begin(), others.end());
  first.insert(first.end(), others.begin(), others.end());
  return first;
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
