// Who a command comes from, as the server derived it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace berth::state {

// Never taken from a message: gRPC threads derive it from the connection and hand it on with every
// command. What it may see and do is decided by these fields alone, inside the loop.
struct Principal {
  // "uid:1000", "anonymous" (loopback TCP without credentials), "agent:n7", "berthd".
  std::string name;
  // True: uid and gid were verified by the kernel on the Unix socket.
  bool verified = false;
  uint32_t uid = 0;
  uint32_t gid = 0;
  // Operators: root and the daemon's own user on the Unix socket.
  bool is_operator = false;
  // Every namespace, or just these (sorted).
  bool all_namespaces = false;
  std::vector<std::string> namespaces;

  // Whether things in this namespace exist for it.
  bool MaySee(std::string_view ns) const;
};

}  // namespace berth::state
