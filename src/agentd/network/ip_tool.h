#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace berth::agentd {

// Runs a program of iproute2 ("ip", "tc") with `input` as its standard input, and waits for it.
// The error has what it wrote to standard error; NotFound: the program is not there.
//
// Threading: any. Cost: a posix_spawn(3); blocks for some milliseconds.
absl::Status RunIpTool(const std::vector<std::string>& arguments, std::string_view input);

}  // namespace berth::agentd
