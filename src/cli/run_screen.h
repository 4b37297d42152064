#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "berth/v1/types.pb.h"
#include "cli/byte_sink.h"

namespace berth::cli {

// What `berth run` shows of one job while it follows it.
//
// On a terminal the job's way is one line that grows on standard error. When the whole output of
// the task is one short line, it becomes a part of it:
//
//   job 1: queued → node-a → running → 42 → succeeded (0.1s, 9Mi peak)
//
// As soon as there is more, or the task still runs kHoldMs after its first output, the line ends,
// output flows as it comes, and the end has a line of its own:
//
//   job 1: queued → node-a → running
//   ...
//   job 1: succeeded (0.1s, 9Mi peak)
//
// Elsewhere standard output carries the task's bytes and nothing else, and standard error whole
// lines. Quiet: the task's bytes alone. A pure state machine: time comes in with the calls.
//
// Threading: one thread at a time.
class RunScreen {
 public:
  struct Options {
    // Both sinks are one terminal.
    bool terminal = false;
    bool quiet = false;
    // Width of the terminal; 0: not known.
    int columns = 0;
  };

  // How a job ended, for people.
  struct Ending {
    enum class Kind { kSucceeded, kFailed, kCancelled } kind = Kind::kSucceeded;
    // What stands behind the state: "0.1s, 9Mi peak" of a success, "exit 3" of a failure.
    std::string detail;
    // What to do next: "see 'berth logs 4'". May be empty.
    std::string next_step;
  };

  // How long one short line of output is held back, waiting for the end.
  static constexpr int64_t kHoldMs = 200;

  // The sinks outlive the screen.
  RunScreen(const Options& options, ByteSink* out, ByteSink* err);

  // The job has been admitted: "job 1: queued".
  void Submitted(const std::string& job_id);
  // One more station on its way: a node's name, "running", "parked (...)". Said once in a row.
  void Station(const std::string& text);
  // A station after which nothing is known to come soon: ends a line that is not on a terminal.
  void Rest();

  // Bytes of the task's output, in their order.
  void Output(bool is_stderr, std::string_view bytes, int64_t now_ms);
  // When Tick() wants to be called, if no event comes before.
  std::optional<int64_t> tick_at_ms() const;
  void Tick(int64_t now_ms);

  // A line of its own about something else ("cancelling ...").
  void Notice(const std::string& text);
  // The same, also when it is quiet: something is not as it should be.
  void Warn(const std::string& text);

  // A question whose answer is typed behind it.
  void Ask(const std::string& text);
  // Somebody else writes from now on, beginning on a line of their own.
  void Yield() { BreakLine(); }

  // The end. Nothing is called after it.
  void Ended(const Ending& ending);

 private:
  std::string Prefix() const { return "job " + job_id_; }
  void Append(const std::string& text);
  // Puts the cursor at the start of a line and lets output flow from now on.
  void BreakLine();
  void FlushHeld();

  const Options options_;
  ByteSink* const out_;
  ByteSink* const err_;

  std::string job_id_;
  std::string last_station_;
  // The growing line: on the screen when on a terminal, else kept until it is whole.
  std::string line_;
  bool line_open_ = false;
  // Output that may still become a part of the line.
  std::string held_;
  std::optional<int64_t> held_until_ms_;
  // Whether the last byte of output left the cursor within a line.
  bool within_line_ = false;
};

// The short line that `output` is, without its line break: printable, at most 60 columns. Empty
// when it is none.
std::string ShortLine(std::string_view output);

}  // namespace berth::cli
