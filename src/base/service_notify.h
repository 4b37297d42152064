#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace berth::base {

// Tells the service manager how this process is: "READY=1", "STOPPING=1", "RELOADING=1\n...",
// "STATUS=...". Does nothing when none waits for it (NOTIFY_SOCKET is not set).
//
// The protocol of sd_notify(3): one datagram. Errors name the socket. Threading: any thread.
absl::Status NotifyServiceManager(std::string_view state);

}  // namespace berth::base
