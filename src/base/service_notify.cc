#include "base/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::base {

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
