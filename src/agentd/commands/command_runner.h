#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agentd/event_loop.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace berth::agentd {

struct Command {
  std::vector<std::string> arguments;    // the program first: absolute; at least one
  std::vector<std::string> environment;  // NAME=value: all that it gets
  int64_t timeout_ms = 0;                // never 0
};

struct CommandResult {
  int error = 0;           // errno of what kept it from starting; 0: it ran
  std::string why_not;     // the same in words, where those are known
  bool timed_out = false;  // and was killed with its process group
  // Bytes, and was killed for it; 0: it did not. A CommandRunner takes in any number.
  int64_t wrote_more_than = 0;
  int exit_code = -1;  // -1: a signal killed it
  int signal = 0;
  std::string output;  // the end of what it wrote to standard output and error, as one

  [[nodiscard]] bool good() const {
    return error == 0 && why_not.empty() && !timed_out && wrote_more_than == 0 && exit_code == 0;
  }
};

// "exited with 3: no such disk": how a command that was not good went, in words, with the last line
// that it wrote.
std::string Describe(const CommandResult& result);

// Runs short commands of the node itself, each in a process group of its own, without waiting for
// them.
//
// Threading: the loop's thread. Cost: one posix_spawn(3) each; a turn of the loop reads a bounded
// part of what each writes. Errors: in the result.
class CommandRunner {
 public:
  static constexpr size_t kMostOutput = 4096;

  using Done = std::function<void(CommandResult)>;

  // Both outlive it.
  CommandRunner(EventLoop& loop, const base::Clock& clock) : loop_(loop), clock_(clock) {}
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;
  // Kills what still runs; nothing is called back any more.
  ~CommandRunner();

  // Calls `done` once, not from within. Returns what Cancel() takes.
  uint64_t Run(const Command& command, Done done);
  // Kills it if it still runs; `done` is not called.
  void Cancel(uint64_t id);

 private:
  struct Running {
    pid_t pid = -1;
    base::UniqueFd pidfd;
    base::UniqueFd output;
    CommandResult result;
    Done done;
  };

  void ReadOutput(Running& running);
  void OnOutput(uint64_t id);
  void OnExit(uint64_t id);
  void Forget(uint64_t id);

  EventLoop& loop_;
  const base::Clock& clock_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Running> running_;
};

}  // namespace berth::agentd
