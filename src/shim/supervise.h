// Watches over a started task until nothing of it is left: waits, stops it when asked, when its
// time is up or when the lease of a fenced one ends, kills what its main process leaves behind, and
// adds up what it used.
#pragma once

#include <cstdint>

#include "shim/console.h"
#include "shim/launch.h"
#include "shim/spec_view.h"

namespace berth::shim {

// A record that has still to reach the agent over the notification pipe, tried again while the pipe
// is full. An agent that is gone needs none: it reads the status file when it is back.
class PendingNotice {
 public:
  // None is to be sent.
  PendingNotice() = default;
  PendingNotice(int fd, const StatusRecord& record) : fd_(fd), record_(&record) {}

  // Writes it if the pipe has room. Cost: one write(2).
  void Try();
  bool pending() const { return record_ != nullptr; }

 private:
  int fd_ = -1;
  const StatusRecord* record_ = nullptr;
};

// Returns when the main process has ended and every other process of the task is dead, or has
// refused to die for 10 s. Fills the kEnd part of `end`, times included.
//
// REQUIRES: every signal is blocked; the caller is a subreaper with one thread; `launched` is what
// Launch() returned, and it has no other child. `console`: what to attend to meanwhile; may be
// null. Cost: sleeps in sigtimedwait(2), or ppoll(2) with a console; one wake-up per signal and per
// deadline.
void Supervise(const SpecView& spec, const LaunchResult& launched, PendingNotice& notice,
               Console* console, StatusRecord& end);

// Milliseconds of `clock` (CLOCK_REALTIME, CLOCK_BOOTTIME).
int64_t NowMs(int clock);

}  // namespace berth::shim
