#include "agentd/network/socket_in.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "base/unique_fd.h"

namespace berth::agentd {

int SocketIn(const std::string& path, int domain, int type) {
  int fd = -1;
  const auto open_one = [&] {
    fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fd = -errno;
  };
  if (path.empty()) {
    open_one();
    return fd;
  }
  // A namespace is a thread's own; this one ends with it.
  std::thread([&] {
    const base::UniqueFd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space.valid() || setns(space.get(), CLONE_NEWNET) != 0) {
      fd = -errno;
      return;
    }
    open_one();
  }).join();
  return fd;
}

}  // namespace berth::agentd
