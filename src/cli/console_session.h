#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/interrupt_dialogue.h"
#include "cli/invocation.h"

namespace berth::cli {

struct ConsoleOptions {
  std::string task_id;      // or an attempt's
  bool from_start = false;  // what was written before is shown, too
  bool no_input = false;    // look on, do not type
  int interrupt_fd = -1;    // see Process::open_interrupts
  int window_fd = -1;       // see Process::open_window_changes
  // The person wants the task cancelled.
  std::function<absl::Status()> cancel;
};

struct ConsoleResult {
  // How it was left.
  enum class End {
    kEnded,     // the task's attempt has
    kDetached,  // the person wished it; the task goes on
    kLeft,      // the same, while it was being cancelled
  };
  End end = End::kEnded;
  bool cancelled_by_us = false;
};

// Types into a task's console, and shows what it writes, until it ends or the person detaches. With
// a terminal of the task's own every key goes there, Ctrl-C too, but for ctrl-p ctrl-q, which
// detaches. Else Ctrl-C asks first (see InterruptDialogue). The person's terminal is set back on
// every way out. A berthd that goes away is waited for, for a minute, and nothing is shown twice.
//
// Threading: blocks; one thread. Errors: as the Attach call gives them.
absl::StatusOr<ConsoleResult> RunConsole(Invocation& invocation, Client& client,
                                         const ConsoleOptions& options);

}  // namespace berth::cli
