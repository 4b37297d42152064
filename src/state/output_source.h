// Where a task's output comes from: the seam between those who serve `logs` and those who speak
// with agents.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "berth/reason.h"
#include "state/commands.h"

namespace berth::state {

// Takes what a source reads.
//
// Threading: calls for one reading come one at a time, on any thread; they must not block. After
// OnEnd, and after OutputReading::Cancel has returned, there are none.
class OutputReader {
 public:
  virtual ~OutputReader() = default;
  // One piece of one stream; the source reads on when OutputReading::Next is called.
  virtual void OnChunk(bool is_stderr, int64_t offset, std::string data) = 0;
  // All was read (OK), or why not. UNAVAILABLE names the node.
  virtual void OnEnd(const absl::Status& status, Reason reason) = 0;
};

// One reading that is under way.
//
// Threading: any thread. Outlives nothing: dropping it cancels.
class OutputReading {
 public:
  virtual ~OutputReading() = default;
  // Asks for the next chunk. REQUIRES: the last one was delivered. The first is asked for already.
  virtual void Next() = 0;
  // Nobody reads any more.
  virtual void Cancel() = 0;
};

struct OutputRequest {
  uint64_t stream = 0;  // of the agent that has it
  std::string node;     // for messages
  AgentAttempt attempt;
  bool want_stdout = true;
  bool want_stderr = true;
  bool follow = false;                // until the attempt ends
  std::optional<int64_t> tail_bytes;  // absent: from the start
};

// Threading: any thread.
class OutputSource {
 public:
  virtual ~OutputSource() = default;
  // Begins to read. What goes wrong, the node not being connected included, comes through OnEnd,
  // which may be called before this returns.
  virtual std::shared_ptr<OutputReading> Read(const OutputRequest& request,
                                              std::shared_ptr<OutputReader> reader) = 0;
};

}  // namespace berth::state
