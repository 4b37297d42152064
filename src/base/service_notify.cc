#include "base/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "base/quantities.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::base {

bool HasServiceManager() {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  return path != nullptr && path[0] != '\0';
}

std::optional<int64_t> WatchdogMs() {
  const char* const text = std::getenv("WATCHDOG_USEC");
  if (text == nullptr || !HasServiceManager()) return std::nullopt;
  // Inherited from a parent, it is not this process's.
  const char* const pid = std::getenv("WATCHDOG_PID");
  if (pid != nullptr && std::string(pid) != std::to_string(getpid())) return std::nullopt;
  const auto microseconds = ParseCount(text, 1, std::numeric_limits<int64_t>::max());
  if (!microseconds.ok()) return std::nullopt;
  return std::max<int64_t>(1, *microseconds / 1000);
}

absl::Status NotifyServiceManager(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || path[0] == '\0') return absl::OkStatus();
  const std::string name(path);
  const auto failed = [&name](const char* what, int error) {
    return absl::UnavailableError("NOTIFY_SOCKET " + name + ": " + what + ": " +
                                  std::strerror(error));
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) return failed("path", ENAMETOOLONG);
  std::memcpy(address.sun_path, name.data(), name.size());
  // '@' stands for the leading zero byte of an abstract socket.
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket_fd.get() < 0) return failed("socket", errno);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (sendto(socket_fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), length) < 0) {
    return failed("send", errno);
  }
  return absl::OkStatus();
}

}  // namespace berth::base
