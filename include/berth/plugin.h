// What every plugin has: a name, and a promise of what its answers depend on.
#pragma once

#include <cstdint>
#include <string_view>

#include "berth/ids.h"

namespace berth {

// What an answer depends on besides the task's requirements. It decides how long an answer is kept
// and what a placement costs.
enum class Scope : uint8_t {
  kNode,     // one node's own row
  kDomain,   // counters of the topology domain that the node is in
  kSparse,   // this very task, on few nodes
  kCluster,  // anything else
};

// Which of a node's columns an answer reads; the engine asks again when one of them changes.
enum Reads : uint32_t {
  kReadsStatic = 1u << 0,      // labels, taints, capacity, readiness, cordon
  kReadsAllocation = 1u << 1,  // allocated amounts
  kReadsDevices = 1u << 2,     // device rows, with what is allocated on them; which kinds there are
  kReadsUsage = 1u << 3,       // measured use
  kReadsTerms = 1u << 4,       // counters of terms
};
constexpr Reads operator|(Reads a, Reads b) {
  return static_cast<Reads>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}

// Base of all plugins.
//
// Threading: made and called on the loop's thread only. Plugins are pure: const, no state of their
// own beyond their arguments, no clock, no randomness, no I/O.
class Plugin {
 public:
  virtual ~Plugin() = default;
  // Name as profiles write it ("NodeResourcesFit"). Static storage.
  virtual std::string_view name() const = 0;
};

}  // namespace berth
