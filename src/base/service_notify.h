#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace berth::base {

// Tells the service manager how this process is: "READY=1", "STOPPING=1", "RELOADING=1\n...",
// "STATUS=...", "WATCHDOG=1". Several go in one, a line each. Does nothing when none waits for it
// (NOTIFY_SOCKET is not set).
//
// The protocol of sd_notify(3): one datagram. Errors name the socket. Threading: any thread.
absl::Status NotifyServiceManager(std::string_view state);

// Whether one waits for it.
bool HasServiceManager();

// Within what time the manager wants to hear "WATCHDOG=1" again, in ms; nothing: never. It takes
// this process for stuck otherwise, and ends it.
std::optional<int64_t> WatchdogMs();

}  // namespace berth::base
