#include "cli/typing.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace berth::cli {
namespace {

constexpr char kCtrlP = 0x10;
constexpr char kCtrlQ = 0x11;
constexpr std::size_t kMostTypedBytes = 32 << 10;

}  // namespace

std::string DetachKeys::Pass(std::string_view typed) {
  std::string passed;
  for (const char key : typed) {
    if (std::exchange(held_, false)) {
      if (key == kCtrlQ) {
        found_ = true;
        return passed;
      }
      passed.push_back(kCtrlP);
    }
    if (key == kCtrlP) {
      held_ = true;
    } else {
      passed.push_back(key);
    }
  }
  return passed;
}

Typing::Typing(const Options& options, Callbacks callbacks)
    : options_(options), callbacks_(std::move(callbacks)), stop_(eventfd(0, EFD_CLOEXEC)) {
  BERTH_CHECK(stop_.valid()) << "eventfd: errno " << errno;
  thread_ = std::thread([this] { Run(); });
}

Typing::~Typing() {
  const uint64_t one = 1;
  BERTH_CHECK(write(stop_.get(), &one, sizeof(one)) == sizeof(one));
  thread_.join();
}

void Typing::Run() {
  while (true) {
    std::array<pollfd, 4> waiting = {{{stop_.get(), POLLIN, 0},
                                      {options_.input_fd, POLLIN, 0},
                                      {options_.window_fd, POLLIN, 0},
                                      {options_.interrupt_fd, POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[0].revents != 0) return;
    std::array<char, 128> record = {};  // a signalfd gives one record a read
    if (waiting[3].revents != 0) {
      if (read(options_.interrupt_fd, record.data(), record.size()) <= 0) {
        options_.interrupt_fd = -1;
      } else {
        callbacks_.on_interrupt();
      }
    }
    if (waiting[2].revents != 0) {
      if (read(options_.window_fd, record.data(), record.size()) <= 0) {
        options_.window_fd = -1;
      } else if (const auto size = SizeOfTerminal(options_.terminal_fd)) {
        callbacks_.on_window(*size);
      }
    }
    if (waiting[1].revents != 0 && !TakeInput()) options_.input_fd = -1;
  }
}

bool Typing::TakeInput() {
  std::string typed(kMostTypedBytes, '\0');
  const ssize_t got = read(options_.input_fd, typed.data(), typed.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) {
    callbacks_.on_input_end();
    return false;
  }
  typed.resize(static_cast<std::size_t>(got));
  if (options_.detach_keys) typed = detach_keys_.Pass(typed);
  if (!typed.empty() && !callbacks_.on_input(std::move(typed))) return false;
  if (!detach_keys_.found()) return true;
  callbacks_.on_detach();
  return false;
}

}  // namespace berth::cli
