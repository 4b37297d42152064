#include "base/ipv4_subnet.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>

namespace berth::base {
namespace {

constexpr int kLeastBits = 8;
constexpr int kMostBits = 30;

}  // namespace

std::optional<Ipv4Subnet> ParseIpv4Subnet(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  in_addr address = {};
  if (inet_pton(AF_INET, std::string(text.substr(0, slash)).c_str(), &address) != 1) {
    return std::nullopt;
  }
  Ipv4Subnet subnet;
  subnet.first = ntohl(address.s_addr);
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data() + slash + 1, end, subnet.bits);
  if (error != std::errc() || after != end) return std::nullopt;
  if (subnet.bits < kLeastBits || subnet.bits > kMostBits) return std::nullopt;
  if ((subnet.first & (subnet.size() - 1)) != 0) return std::nullopt;
  return subnet;
}

std::string FormatIpv4(uint32_t address) {
  const in_addr raw = {.s_addr = htonl(address)};
  char buffer[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &raw, buffer, sizeof(buffer));
}

}  // namespace berth::base
