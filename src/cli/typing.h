#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/unique_fd.h"
#include "cli/raw_terminal.h"

namespace berth::cli {

// Finds the keys that detach, ctrl-p ctrl-q, in what is typed.
//
// Threading: none.
class DetachKeys {
 public:
  // What of `typed` goes on to the task. A ctrl-p is held back until what follows it is known.
  std::string Pass(std::string_view typed);
  // They were typed; what came after them was not passed on.
  bool found() const { return found_; }

 private:
  bool held_ = false;
  bool found_ = false;
};

// Takes what is typed, on a thread of its own: standard input, window sizes, interrupts.
//
// Threading: made and destroyed by one thread; calls back on its own, one call at a time. A call
// may block: then no more is read.
class Typing {
 public:
  struct Options {
    int input_fd = -1;   // -1: none
    int window_fd = -1;  // readable when the size of `terminal_fd` may have changed; -1: never
    int terminal_fd = -1;
    int interrupt_fd = -1;  // readable for each interrupt; -1: none
    bool detach_keys = false;
  };
  struct Callbacks {
    // False: nobody takes it any more.
    std::function<bool(std::string)> on_input;
    std::function<void()> on_input_end;
    std::function<void(const TerminalSize&)> on_window;
    std::function<void()> on_detach;
    std::function<void()> on_interrupt;
  };

  Typing(const Options& options, Callbacks callbacks);
  Typing(const Typing&) = delete;
  Typing& operator=(const Typing&) = delete;
  // Waits for a call that is under way.
  ~Typing();

 private:
  void Run();
  // False: that was the end of it.
  bool TakeInput();

  Options options_;
  const Callbacks callbacks_;
  base::UniqueFd stop_;
  DetachKeys detach_keys_;
  std::thread thread_;
};

}  // namespace berth::cli
