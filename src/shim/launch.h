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
  int channel = -1;  // of a container: what its init says; else -1
};

// What the child gets in place of the shim's own standard streams; -1: nothing.
struct ChildStreams {
  int input = -1;
  int output = -1;
  int error = -1;
  bool terminal = false;  // standard input is a terminal, to become the child's own
};

// A file of standard output or error, to append to, that belongs to the task's user; -1: see errno.
int OpenOutput(const SpecView& spec, const char* path);

// Closes `streams`; those that it has none of are opened as the spec says.
//
// REQUIRES: every signal is blocked; the shim's own streams are what the task
// shall have where neither `streams` nor the spec has any. When it fails, no
// child is left behind.
// Cost: one clone and one execve; does not return before the program is executed or has failed to.
LaunchResult Launch(const SpecView& spec, ChildStreams streams);

}  // namespace berth::shim
