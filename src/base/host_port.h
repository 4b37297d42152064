// "host:port" as configuration files and command lines have it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace berth::base {

struct HostPort {
  std::string host;  // without brackets: "127.0.0.1", "::1", "localhost"
  std::uint16_t port = 0;
};

// A port from 0 to 65535; a host that has colons stands in brackets: "[::1]:7460". InvalidArgument
// says what is wrong. Nothing is looked up.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

// Whether such a host is this machine alone: localhost, 127.0.0.0/8, ::1 however it is written.
bool IsLoopback(const std::string& host);

}  // namespace berth::base
