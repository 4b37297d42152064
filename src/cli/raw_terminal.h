#pragma once

#include <termios.h>

#include <cstdint>
#include <optional>

namespace berth::cli {

struct TerminalSize {
  int32_t rows = 0;
  int32_t columns = 0;

  friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

// Nothing for what is no terminal, or one that does not say.
std::optional<TerminalSize> SizeOfTerminal(int fd);

// Sets a terminal to hand on each key as it is, Ctrl-C included, and sets it back when it goes.
// What is no terminal is left alone.
//
// Threading: one thread.
class RawTerminal {
 public:
  enum class Mode {
    kRaw,   // every key, and output as it comes: for a terminal of the task's own
    kKeys,  // single keys without an echo; Ctrl-C stays a signal, output stays lines
  };

  RawTerminal(int fd, Mode mode);
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  const int fd_;
  bool changed_ = false;
  termios before_ = {};
};

}  // namespace berth::cli
