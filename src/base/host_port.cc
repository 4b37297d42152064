#include "base/host_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "absl/status/status.h"
#include "base/quantities.h"

namespace berth::base {

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError("\"" + std::string(text) + "\" " + why);
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return refuse("is not host:port");
  const auto port = ParseCount(text.substr(colon + 1), 0, 65'535);
  if (!port.ok()) return refuse("has no port from 0 to 65535");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse("has an IPv6 address without brackets: write [::1]:7460");
  }
  if (host.empty() || host.find_first_of("/ \t[]") != std::string_view::npos) {
    return refuse("is not host:port");
  }
  return HostPort{.host = std::string(host), .port = static_cast<std::uint16_t>(*port)};
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace berth::base
