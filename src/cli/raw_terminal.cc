#include "cli/raw_terminal.h"

#include <sys/ioctl.h>

namespace berth::cli {

std::optional<TerminalSize> SizeOfTerminal(int fd) {
  winsize size = {};
  if (fd < 0 || ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  if (size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
  return TerminalSize{size.ws_row, size.ws_col};
}

RawTerminal::RawTerminal(int fd, Mode mode) : fd_(fd) {
  if (fd_ < 0 || tcgetattr(fd_, &before_) != 0) return;
  termios wanted = before_;
  if (mode == Mode::kRaw) {
    cfmakeraw(&wanted);
  } else {
    wanted.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    wanted.c_cc[VMIN] = 1;
    wanted.c_cc[VTIME] = 0;
  }
  changed_ = tcsetattr(fd_, TCSADRAIN, &wanted) == 0;
}

RawTerminal::~RawTerminal() {
  if (changed_) tcsetattr(fd_, TCSADRAIN, &before_);
}

}  // namespace berth::cli
