// What a shim attends to beside signals: a task's console, or the call that a command belongs to.
//
// A task's console is a terminal or a pipe. The shim holds the other end, so that the task outlives
// its agent and whoever typed: what the terminal says goes into the task's output file at once,
// whether anybody looks or not, and what is typed comes over a socket in the attempt's directory
// that root alone may open. One piece of input is kept at most: until the task has read it, no more
// is taken, so that who types too fast waits.
//
// Threading: the shim's only one. Errors: errno values of Open(); later ones cost what was typed or
// said, never the task.
#pragma once

#include <signal.h>

#include <cstddef>
#include <cstdint>

#include "shim/launch.h"
#include "shim/spec_view.h"

namespace berth::shim {

class Console {
 public:
  // Makes the console of a task, its socket in `directory`, and the child's ends in `streams`.
  // Returns 0 or errno.
  int Open(const SpecView& spec, const char* directory, ChildStreams& streams);
  // Watches a command's call: when it has ended, Wait() gives a SIGRTMIN without a grace.
  void OpenControl(int control) { control_ = control; }

  // The next of `signals`, with its value in `info`; 0 when `deadline_ms` (CLOCK_BOOTTIME) passed
  // first. Attends to the rest meanwhile. `signals` are blocked, and the same each time.
  int Wait(const sigset_t& signals, int64_t deadline_ms, siginfo_t& info);

  // The task has ended: takes down what it wrote last.
  void Drain();

 private:
  static constexpr size_t kMostClients = 8;

  int OpenTerminal(const SpecView& spec, ChildStreams& streams);
  int OpenPipe(ChildStreams& streams);
  int Listen(const char* directory);
  int TakeSignal(siginfo_t& info) const;
  // False: there is no more for now, or ever.
  bool CopyOutput();
  void Accept();
  // One message of a client.
  void Take(int& client);
  void TypePending();
  void EndInput();

  bool has_pending() const { return pending_at_ < pending_size_; }

  int signal_fd_ = -1;
  int control_ = -1;
  int listener_ = -1;
  int clients_[kMostClients] = {-1, -1, -1, -1, -1, -1, -1, -1};
  int terminal_ = -1;  // the holder's end; also what input is typed into
  int kept_end_ = -1;  // the task's end, kept open so that the holder's stays usable
  int pipe_ = -1;      // the end that is written to
  int log_ = -1;       // the task's output file
  char pending_[kMostConsoleInput];
  size_t pending_at_ = 0;
  size_t pending_size_ = 0;
};

}  // namespace berth::shim
