#include "agentd/channels/console_input.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "agentd/window_dimension.h"
#include "base/strings.h"

namespace berth::agentd {

ConsoleInput::ConsoleInput(EventLoop& loop, std::function<void()> on_room)
    : loop_(loop), on_room_(std::move(on_room)) {}

ConsoleInput::~ConsoleInput() {
  if (watched_) loop_.Unwatch(socket_.get());
}

absl::Status ConsoleInput::Connect(const std::string& attempt_directory) {
  // By the directory's descriptor: the whole path may be longer than a socket's address can be.
  const base::UniqueFd directory(open(attempt_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return absl::ErrnoToStatus(errno, base::A(attempt_directory));
  socket_.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_.valid()) return absl::ErrnoToStatus(errno, "cannot make a socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory.get(),
                shim::kConsoleFileName);
  if (connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  if (error == ENOENT || error == ECONNREFUSED) {
    return absl::NotFoundError("there is no console");
  }
  if (error == EAGAIN) {
    return absl::ResourceExhaustedError("too many are attached to it; let one of them detach");
  }
  return absl::ErrnoToStatus(error, "cannot reach its console");
}

void ConsoleInput::Take(v1::DataFromDaemon frame) {
  frame_ = std::move(frame);
  typed_ = 0;
  if (Push()) {
    on_room_();
    return;
  }
  watched_ = true;
  loop_.WatchWritable(socket_.get(), [this] {
    if (!Push()) return;
    watched_ = false;
    loop_.Unwatch(socket_.get());
    on_room_();
  });
}

bool ConsoleInput::Push() {
  if (frame_.has_window()) {
    const uint16_t size[2] = {WindowDimension(frame_.window().rows()),
                              WindowDimension(frame_.window().columns())};
    const std::string_view bytes(reinterpret_cast<const char*>(size), sizeof(size));
    if (!Say(shim::ConsoleMessage::kWindow, bytes)) return false;
    frame_.clear_window();
  }
  while (typed_ < frame_.data().size()) {
    const std::string_view piece =
        std::string_view(frame_.data()).substr(typed_, shim::kMostConsoleInput);
    if (!Say(shim::ConsoleMessage::kInput, piece)) return false;
    typed_ += piece.size();
  }
  if (frame_.end_of_input()) {
    if (!Say(shim::ConsoleMessage::kEnd, {})) return false;
    frame_.set_end_of_input(false);
  }
  return true;
}

bool ConsoleInput::Say(shim::ConsoleMessage kind, std::string_view rest) {
  char message[1 + shim::kMostConsoleInput];
  message[0] = static_cast<char>(kind);
  if (!rest.empty()) std::memcpy(message + 1, rest.data(), rest.size());
  for (;;) {
    if (send(socket_.get(), message, 1 + rest.size(), MSG_NOSIGNAL) >= 0) return true;
    if (errno == EINTR) continue;
    return errno != EAGAIN;  // the shim is gone, and the task with it
  }
}

}  // namespace berth::agentd
