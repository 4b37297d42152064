#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace berth::base {

// IPv4 addresses from `first` on, in host byte order.
struct Ipv4Subnet {
  uint32_t first = 0;
  int bits = 32;  // that all have in common

  [[nodiscard]] uint64_t size() const { return uint64_t{1} << (32 - bits); }
  friend bool operator==(const Ipv4Subnet&, const Ipv4Subnet&) = default;
};

// "100.64.0.0/16". Nothing when it is none, has bits set below its mask, or has fewer than 4 or
// more than 2^24 addresses.
std::optional<Ipv4Subnet> ParseIpv4Subnet(std::string_view text);

// "100.64.0.1"
std::string FormatIpv4(uint32_t address);

}  // namespace berth::base
