// A client with as little of its own as possible between a test and the socket.
#pragma once

#include <cstdint>
#include <string>

#include "base/unique_fd.h"

namespace berth::monitor {

// Connected to 127.0.0.1:port.
base::UniqueFd Connect(uint16_t port);

// All that comes until the other side closes.
std::string ReadToEnd(int socket);

struct HttpAnswer {
  int status = 0;
  std::string head;  // status line and headers
  std::string body;
};

// One request on a connection of its own. REQUIRES: `request` is complete, blank line included.
HttpAnswer Ask(uint16_t port, const std::string& request);
HttpAnswer Get(uint16_t port, const std::string& target);

}  // namespace berth::monitor
