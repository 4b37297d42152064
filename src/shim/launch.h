// Starts the task's main process: joins its cgroups, opens its output, becomes its user, goes to
// its directory and executes its program, in a process group of its own.
//
// The child shares the shim's memory until it executes the program (CLONE_VM | CLONE_VFORK), which
// is what makes a start cheap, and how it tells the step and error at which it failed.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "shim/spec_view.h"

namespace berth::shim {

struct LaunchResult {
  pid_t pid = -1;  // of the main process when step is kStarted
  StartStep step = StartStep::kStarted;
  int error = 0;
  uint32_t item = 0;
};

// REQUIRES: every signal is blocked; standard input is what the task shall read. When it fails, no
// child is left behind.
// Cost: one clone and one execve; does not return before the program is executed or has failed to.
LaunchResult Launch(const SpecView& spec);

}  // namespace berth::shim
