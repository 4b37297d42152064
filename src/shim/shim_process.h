// The agent's side of a shim: its status file, its start, its stop.
//
// Threading: any thread; two threads never work on one attempt at a time. Errors: errno values.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "shim/shim_protocol.h"

namespace berth::shim {

// Opens the status file of an attempt directory, made if missing, and takes its lock without
// waiting. Returns the descriptor (close-on-exec), or -errno: -EWOULDBLOCK means that a shim has
// it.
int OpenLockedStatus(const std::string& directory);

// Starts `program`, the shim, on an attempt directory whose spec is written. It inherits
// `status_fd` with its lock, `notify_fd`, /dev/null as standard streams, and nothing else. Returns
// 0 and sets `pid`, a child of the caller that the caller must wait for; else errno, and nothing
// was started. Never forks: the cost does not grow with the caller's memory.
int StartShim(const std::string& program, const std::string& directory, int status_fd,
              int notify_fd, pid_t& pid);

// What a command beside a task is given; all of it stays the caller's.
struct CommandFds {
  int input = -1;
  int output = -1;
  int error = -1;
  int control = -1;  // see kCommandControlFd
  int spec = -1;     // see kCommandSpecFd
};

// Starts `program`, the shim, on a command beside a task. As StartShim().
int StartCommand(const std::string& program, const CommandFds& fds, pid_t& pid);

// The record of `kind`, or nothing when it is not there, not whole, or cannot be read.
std::optional<StatusRecord> ReadStatus(int status_fd, StatusKind kind);

// Asks the shim behind `pidfd` to stop its task: SIGTERM to all of it, SIGKILL after `grace_ms` (0:
// SIGKILL at once). Returns 0 or errno; ESRCH: the shim has ended.
int QueueStop(int pidfd, int64_t grace_ms);

// pidfd_open(2), close-on-exec: -errno on error.
int OpenPidFd(pid_t pid);

}  // namespace berth::shim
