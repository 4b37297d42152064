#include "shim/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>

#include "shim/supervise.h"

namespace berth::shim {
namespace {

constexpr uint16_t kUsualRows = 24;
constexpr uint16_t kUsualColumns = 80;
constexpr char kEndOfFile = 4;  // Ctrl-D, the terminal's character for it
constexpr size_t kCopyBytes = 16 << 10;

void SetWindow(int terminal, uint16_t rows, uint16_t columns) {
  winsize size = {};
  size.ws_row = rows;
  size.ws_col = columns;
  ioctl(terminal, TIOCSWINSZ, &size);
}

// Whether a call is to be made again later, and nothing is lost.
bool IsPassing(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

int Console::Open(const SpecView& spec, const char* directory, ChildStreams& streams) {
  const int error = spec.header->console == ConsoleKind::kTerminal ? OpenTerminal(spec, streams)
                                                                   : OpenPipe(streams);
  return error != 0 ? error : Listen(directory);
}

int Console::OpenTerminal(const SpecView& spec, ChildStreams& streams) {
  const SpecHeader& header = *spec.header;
  terminal_ = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  const int unlocked = 0;
  if (terminal_ < 0 || ioctl(terminal_, TIOCSPTLCK, &unlocked) != 0) return errno;
  kept_end_ = ioctl(terminal_, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (kept_end_ < 0) return errno;
  // Programs open it anew by its name.
  if (header.switch_user != 0 && fchown(kept_end_, header.uid, header.gid) != 0) return errno;
  SetWindow(terminal_, header.rows != 0 ? header.rows : kUsualRows,
            header.columns != 0 ? header.columns : kUsualColumns);
  log_ = OpenOutput(spec, spec.output_path);
  if (log_ < 0) return errno;
  streams.terminal = true;
  for (int* end : {&streams.input, &streams.output, &streams.error}) {
    *end = fcntl(kept_end_, F_DUPFD_CLOEXEC, 0);
    if (*end < 0) return errno;
  }
  return 0;
}

int Console::OpenPipe(ChildStreams& streams) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  streams.input = ends[0];
  pipe_ = ends[1];
  return fcntl(pipe_, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

int Console::Listen(const char* directory) {
  listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener_ < 0) return errno;
  // By its bare name: the whole path may be longer than a socket's address can be.
  if (chdir(directory) != 0) return errno;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, kConsoleFileName);
  unlink(kConsoleFileName);  // of an earlier try
  const mode_t before = umask(0177);
  const int bound = bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = bound == 0 && listen(listener_, kMostClients) == 0 ? 0 : errno;
  umask(before);
  if (chdir("/") != 0) return errno;
  return error;
}

int Console::Wait(const sigset_t& signals, int64_t deadline_ms, siginfo_t& info) {
  if (signal_fd_ < 0) signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  for (;;) {
    pollfd waiting[5 + kMostClients];
    waiting[0] = {signal_fd_, POLLIN, 0};
    waiting[1] = {control_, POLLIN, 0};
    waiting[2] = {terminal_, static_cast<short>(has_pending() ? POLLIN | POLLOUT : POLLIN), 0};
    waiting[3] = {has_pending() ? pipe_ : -1, POLLOUT, 0};
    bool has_place = false;
    for (size_t i = 0; i < kMostClients; ++i) {
      has_place = has_place || clients_[i] < 0;
      // Not heard while something is still to be typed.
      waiting[5 + i] = {has_pending() ? -1 : clients_[i], POLLIN, 0};
    }
    waiting[4] = {has_place ? listener_ : -1, POLLIN, 0};

    timespec timeout = {};
    const timespec* until = nullptr;
    if (deadline_ms != INT64_MAX) {
      int64_t left = deadline_ms - NowMs(CLOCK_BOOTTIME);
      if (left < 0) left = 0;
      timeout = {static_cast<time_t>(left / 1000), static_cast<long>(left % 1000) * 1'000'000};
      until = &timeout;
    }
    const int ready = ppoll(waiting, 5 + kMostClients, until, nullptr);
    if (ready == 0) return 0;
    if (ready < 0) continue;  // every signal is blocked: only a debugger's
    // What was written is taken down before the end that may follow it is heard of.
    if (waiting[2].revents & (POLLIN | POLLHUP | POLLERR)) CopyOutput();
    if ((waiting[2].revents | waiting[3].revents) & (POLLOUT | POLLERR)) TypePending();
    if (waiting[4].revents != 0) Accept();
    for (size_t i = 0; i < kMostClients; ++i) {
      if (waiting[5 + i].revents != 0 && !has_pending()) Take(clients_[i]);
    }
    if (waiting[0].revents != 0) {
      const int signal = TakeSignal(info);
      if (signal > 0) return signal;
    }
    if (waiting[1].revents != 0) {
      control_ = -1;
      info = {};
      return SIGRTMIN;
    }
  }
}

int Console::TakeSignal(siginfo_t& info) const {
  signalfd_siginfo taken = {};
  if (read(signal_fd_, &taken, sizeof(taken)) != sizeof(taken)) return 0;
  info = {};
  info.si_signo = static_cast<int>(taken.ssi_signo);
  info.si_value.sival_int = taken.ssi_int;
  return info.si_signo;
}

bool Console::CopyOutput() {
  static char buffer[kCopyBytes];
  const ssize_t got = read(terminal_, buffer, sizeof(buffer));
  if (got <= 0) return got < 0 && errno == EINTR;
  for (ssize_t at = 0; at < got;) {
    const ssize_t written = write(log_, buffer + at, static_cast<size_t>(got - at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;  // a full disk must not stop the task
    at += written;
  }
  return true;
}

void Console::Accept() {
  for (int& client : clients_) {
    if (client >= 0) continue;
    client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return;
  }
}

void Console::Take(int& client) {
  static char message[1 + kMostConsoleInput];
  const ssize_t got = read(client, message, sizeof(message));
  if (got < 0 && IsPassing(errno)) return;
  if (got <= 0) {
    close(client);
    client = -1;
    return;
  }
  const auto size = static_cast<size_t>(got) - 1;
  switch (static_cast<ConsoleMessage>(message[0])) {
    case ConsoleMessage::kInput:
      memcpy(pending_, message + 1, size);
      pending_at_ = 0;
      pending_size_ = size;
      TypePending();
      return;
    case ConsoleMessage::kEnd:
      EndInput();
      return;
    case ConsoleMessage::kWindow: {
      uint16_t rows_and_columns[2];
      if (size != sizeof(rows_and_columns)) return;
      memcpy(rows_and_columns, message + 1, sizeof(rows_and_columns));
      if (terminal_ >= 0) SetWindow(terminal_, rows_and_columns[0], rows_and_columns[1]);
      return;
    }
  }
}

void Console::TypePending() {
  const int input = terminal_ >= 0 ? terminal_ : pipe_;
  while (has_pending()) {
    const ssize_t written =
        input < 0 ? -1 : write(input, pending_ + pending_at_, pending_size_ - pending_at_);
    if (written > 0) {
      pending_at_ += static_cast<size_t>(written);
      continue;
    }
    if (written < 0 && input >= 0 && errno == EINTR) continue;
    if (written < 0 && input >= 0 && errno == EAGAIN) return;
    pending_at_ = pending_size_;  // nobody reads it any more
  }
}

void Console::EndInput() {
  if (terminal_ >= 0) {
    pending_[0] = kEndOfFile;
    pending_at_ = 0;
    pending_size_ = 1;
    TypePending();
  } else if (pipe_ >= 0) {
    close(pipe_);
    pipe_ = -1;
  }
}

void Console::Drain() {
  if (terminal_ < 0) return;
  // When it was the last, the holder's end says so after the last byte.
  close(kept_end_);
  while (CopyOutput()) {
  }
}

}  // namespace berth::shim
