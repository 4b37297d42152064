// Addresses that only this machine can reach.
#pragma once

#include <string>
#include <string_view>

namespace berth::config {

// Splits "host:port" ("[::1]:7460" for IPv6). False when it is none, or the port is not from 0 to
// 65535.
bool SplitHostPort(std::string_view address, std::string* host, int* port);

// "localhost", 127.0.0.0/8 or ::1.
bool IsLoopback(std::string_view host);

}  // namespace berth::config
