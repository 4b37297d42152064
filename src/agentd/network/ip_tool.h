#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace berth::agentd {

// Runs a program of iproute2 ("ip", "tc") with `input` as its standard input, and waits for it, for
// `most` and no longer: then it is killed. The error has what it wrote to standard error; NotFound:
// the program is not there; DeadlineExceeded: it did not end in time, and may have done its work or
// not.
//
// Threading: any. Cost: a posix_spawn(3); blocks for some milliseconds, `most` and a second at
// most.
absl::Status RunIpTool(const std::vector<std::string>& arguments, std::string_view input,
                       absl::Duration most = absl::Seconds(10));

}  // namespace berth::agentd
