#include "config/loopback.h"

#include <arpa/inet.h>

#include <charconv>

namespace berth::config {

bool SplitHostPort(std::string_view address, std::string* host, int* port) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view left = address.substr(0, colon);
  const std::string_view right = address.substr(colon + 1);
  if (left.front() == '[') {
    if (left.back() != ']') return false;
    left = left.substr(1, left.size() - 2);
  } else if (left.find(':') != std::string_view::npos) {
    return false;
  }
  int number = -1;
  const auto [end, error] = std::from_chars(right.data(), right.data() + right.size(), number);
  if (error != std::errc() || end != right.data() + right.size()) return false;
  if (left.empty() || number < 0 || number > 65535) return false;
  *host = std::string(left);
  *port = number;
  return true;
}

bool IsLoopback(std::string_view host) {
  if (host == "localhost") return true;
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace berth::config
