#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "shim/task_spec.h"
#include "tests/support/temp_dir.h"

namespace berth::testing {

// Runs the built berth-shim on a spec as the agent would, in a directory of its own.
//
// What the task still has running when the runner goes away is killed with the shim.
class ShimRunner {
 public:
  ShimRunner();
  ~ShimRunner();

  // A spec for `command` under /bin/sh that writes to this runner's files.
  [[nodiscard]] shim::TaskSpec ShellSpec(const std::string& command) const;
  // Writes the spec, takes the lock and starts the shim.
  void Start(const shim::TaskSpec& spec);
  // Waits for the next record on the notification pipe.
  shim::StatusRecord WaitForNotice();
  // Lets go of the pipe's reading end, as an agent that dies does.
  void CloseNotices() { notify_read_.reset(); }
  // Waits for the shim to exit; returns its exit code, or minus the signal that killed it.
  int WaitForShim();
  // Start() and WaitForShim(); the kEnd record, which must be there.
  shim::StatusRecord Run(const shim::TaskSpec& spec);
  // Queues the signal with a grace, as the agent does.
  void Stop(int grace_ms);
  // Writes a byte or waits for one: how a task under test and the test meet.
  [[nodiscard]] std::string FifoPath() const { return dir_.path() + "/fifo"; }
  // Blocks until somebody writes to the fifo, and returns what was written up to its end.
  std::string ReadFifo() const;

  [[nodiscard]] std::optional<shim::StatusRecord> Record(shim::StatusKind kind) const;
  // Whether nobody holds the status file's lock.
  [[nodiscard]] bool LockIsFree() const;
  [[nodiscard]] std::string Output() const;
  [[nodiscard]] std::string ErrorOutput() const;
  [[nodiscard]] std::string path(const std::string& name) const { return dir_.path() + "/" + name; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  TempDir dir_;
  base::UniqueFd notify_read_;
  base::UniqueFd notify_write_;
  pid_t pid_ = -1;
};

// True while `pid` exists and is no zombie.
bool IsRunning(pid_t pid);

}  // namespace berth::testing
