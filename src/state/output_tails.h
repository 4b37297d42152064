// The ends of tasks' output, which outlive the nodes that have the rest. One room is told them,
// another keeps them, a third asks for them; this is all that they know of one another.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "state/commands.h"

namespace berth::state {

// The last bytes of one stream of an attempt.
struct OutputTail {
  AgentAttempt attempt;
  bool is_error = false;  // of standard error
  int64_t offset = 0;     // of data[0] in its stream
  std::string data;
};

// What one node says replaces only what the same node has said before.
//
// Threading: any thread. Errors: none; a tail that cannot be kept is not there.
class OutputTails {
 public:
  virtual ~OutputTails() = default;

  // Keeps what `node` says. `taken` is called on any thread, perhaps from within, when there is
  // room for more: until then whoever says it is to be held back. Cost: no wait for a disk.
  virtual void Put(const std::string& node, std::vector<OutputTail> tails,
                   std::function<void()> taken) = 0;

  // What `node` has said last. May read a disk.
  virtual std::optional<OutputTail> Get(const std::string& node, const AgentAttempt& attempt,
                                        bool is_error) = 0;
};

}  // namespace berth::state
