// Watches over a started task until nothing of it is left: waits, stops it when asked, when its
// time is up or when the lease of a fenced one ends, kills what its main process leaves behind, and
// adds up what it used.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "shim/spec_view.h"

namespace berth::shim {

// A record that has still to reach the agent over the notification pipe, tried again while the pipe
// is full. An agent that is gone needs none: it reads the status file when it is back.
class PendingNotice {
 public:
  PendingNotice(int fd, const StatusRecord& record) : fd_(fd), record_(&record) {}

  // Writes it if the pipe has room. Cost: one write(2).
  void Try();
  bool pending() const { return record_ != nullptr; }

 private:
  int fd_;
  const StatusRecord* record_;
};

// Returns when the main process has ended and every other process of the task is dead, or has
// refused to die for 10 s. Fills the kEnd part of `end`, times included.
//
// REQUIRES: every signal is blocked; the caller is a subreaper with one thread; `main_pid` is its
// child and it has had no other.
// Cost: sleeps in sigtimedwait(2); one wake-up per signal and per deadline.
void Supervise(const SpecView& spec, pid_t main_pid, PendingNotice& notice, StatusRecord& end);

// Milliseconds of `clock` (CLOCK_REALTIME, CLOCK_BOOTTIME).
int64_t NowMs(int clock);

}  // namespace berth::shim
