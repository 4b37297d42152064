// What the start of a plain process and that of a container have in common: steps of a child that
// shares the shim's memory until it executes a program (CLONE_VM | CLONE_VFORK).
//
// Threading: the child's; its shim waits meanwhile. Errors: a step that fails notes itself in
// `child.result` and ends the child.
#pragma once

#include <sys/types.h>

#include "shim/launch.h"

namespace berth::shim {

inline constexpr int kNotExecuted = 127;

struct Child {
  const SpecView* spec = nullptr;
  ChildStreams streams;
  int channel = -1;    // of a container's init
  int program = -1;    // open, in place of the one that the arguments name; -1: that one
  pid_t shim_pid = 0;  // 0: the shim is in another pid namespace
  LaunchResult result;
};

// Notes what failed, for the shim to read, and ends the child.
[[noreturn]] void Fail(Child& child, StartStep step, int error, uint32_t item = 0);

// Opens what the spec names and `streams` has not. What it had stays open when that fails.
LaunchResult OpenStreams(const SpecView& spec, ChildStreams& streams);
void Close(const ChildStreams& streams);

void JoinCgroups(Child& child);
void JoinCgroup(Child& child, uint32_t number);
// The network namespace that the spec names, if it names one.
void JoinNetwork(Child& child);
// They become its standard streams, as far as there are any.
void TakeStreams(Child& child);
// The task's, as far as the spec names one.
void BecomeUser(Child& child);
// umask, niceness, open files.
void SetLimits(Child& child);
// From the shim's session, cgroups, network, streams and limits to the task's.
void StepOut(Child& child);
// Without its shim nobody would learn how the task ended: it goes with it.
void DieWithShim(Child& child);
// Goes to the working directory, unblocks signals and executes the program.
[[noreturn]] void Execute(Child& child);

}  // namespace berth::shim
