#include "cli/byte_sink.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace berth::cli {

void FdSink::Write(std::string_view bytes) {
  while (!bytes.empty() && !failed_) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Somebody made the terminal or pipe that we share with them non-blocking.
      pollfd waiting = {.fd = fd_, .events = POLLOUT, .revents = 0};
      poll(&waiting, 1, -1);
    } else if (errno != EINTR) {
      failed_ = true;
    }
  }
}

}  // namespace berth::cli
