#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth::base {

// The protocol between berthd and its agents that this build speaks, on either side.
inline constexpr uint32_t kAgentProtocol = 1;

// Of this build: "0.1.0".
std::string_view Version();

// "g++ 12.2.0, Release": for bug reports.
std::string BuildDescription();

}  // namespace berth::base
