#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "cli/byte_sink.h"

namespace berth::cli {

// A berth-files that works.
struct FilesProcess {
  base::UniqueFd input;   // what it reads
  base::UniqueFd output;  // what it writes
  base::UniqueFd error;   // why it could not
  // Waits for its end; the exit code.
  std::function<int()> wait;
};

// What a command sees of the process that it runs in. Passed in, so that tests can be the terminal,
// the environment and the person at Ctrl-C.
//
// Threading: used by one thread. Everything pointed to outlives the command.
struct Process {
  ByteSink* out = nullptr;
  ByteSink* err = nullptr;
  // Standard output and error are one terminal, so that what is written to either appears in order.
  bool on_terminal = false;
  // Standard output is a terminal.
  bool out_is_terminal = false;
  // Standard input is a terminal.
  bool in_is_terminal = false;
  // Width of the terminal; 0: not known.
  int columns = 0;
  const base::Clock* clock = nullptr;

  // The value of an environment variable; empty when it is not set.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // The current directory, absolute.
  std::function<absl::StatusOr<std::string>()> working_directory;
  // All of standard input, up to `max_bytes`.
  std::function<absl::StatusOr<std::string>(std::size_t max_bytes)> read_stdin;
  // Becomes another program of Berth ("berthd"): the one beside this program, else the one in PATH.
  // Returns only when that cannot be; NotFound: there is none.
  std::function<absl::Status(const std::string& program, const std::vector<std::string>& arguments)>
      become;
  // From this call on SIGINT, SIGTERM and SIGHUP do not end the process: each makes the descriptor
  // readable. Call before the first thread is started. -1: interrupts are not seen.
  std::function<base::UniqueFd()> open_interrupts;

  // ---- for what is typed into ----

  // Standard input; -1: there is none. Nothing but what follows a task's console reads it there.
  int stdin_fd = -1;
  // From this call on the descriptor is readable when the terminal's size has changed. As
  // open_interrupts. -1: changes are not seen.
  std::function<base::UniqueFd()> open_window_changes;
  // Starts berth-files, the program that does the work on files, with these arguments and what it
  // reads and writes at its other ends. NotFound: it is not installed.
  std::function<absl::StatusOr<FilesProcess>(const std::vector<std::string>& arguments)>
      start_files;
};

}  // namespace berth::cli
