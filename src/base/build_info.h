#pragma once

#include <string>
#include <string_view>

namespace berth::base {

// Of this build: "0.1.0".
std::string_view Version();

// "g++ 12.2.0, Release": for bug reports.
std::string BuildDescription();

}  // namespace berth::base
