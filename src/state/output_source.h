// Where the output of attempts comes from. One room brings it, another reads it; this is all that
// either knows of the other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "berth/reason.h"
#include "state/commands.h"

namespace berth::state {

struct OutputRequest {
  uint64_t stream = 0;  // of the agent that has it
  std::string node;     // its name, for errors
  AgentAttempt attempt;
  bool standard_output = true;
  bool standard_error = true;
  bool follow = false;                // until the attempt ends; else what there is now
  std::optional<int64_t> tail_bytes;  // of each; absent: from the start
};

struct OutputPiece {
  bool is_error = false;  // of standard error
  int64_t offset = 0;     // of data[0] in its stream
  std::string data;
};

// Threading: any thread, one call at a time; may be called from within Next.
class OutputReceiver {
 public:
  virtual ~OutputReceiver() = default;
  // Answers one Next.
  virtual void OnPiece(OutputPiece piece) = 0;
  // The last call. OK: that was all. Else why it ends early, naming the node.
  virtual void OnEnd(absl::Status status, Reason reason) = 0;
};

// One transfer under way. Nothing is fetched that was not asked for: a slow reader slows the
// sender.
//
// Threading: any thread.
class OutputTransfer {
 public:
  virtual ~OutputTransfer() = default;
  // Asks for one piece more. REQUIRES: the last Next was answered.
  virtual void Next() = 0;
  // Nobody reads any more. The receiver may still get one call that was under way. Idempotent.
  virtual void Close() = 0;
};

// Threading: any thread.
class OutputSource {
 public:
  virtual ~OutputSource() = default;
  // Never null. Begins only with the first Next; errors come through the receiver.
  virtual std::shared_ptr<OutputTransfer> Open(const OutputRequest& request,
                                               std::shared_ptr<OutputReceiver> receiver) = 0;
};

}  // namespace berth::state
