// What every plugin has: a name, and a promise of what its answers depend on.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

#include "berth/ids.h"

namespace berth {

class NodeColumns;
struct TaskRequirements;
struct TaskView;

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
  kReadsDevices = 1u << 2,     // device rows, with what is allocated on them; their uses and kinds
  kReadsUsage = 1u << 3,       // measured use
  kReadsTerms = 1u << 4,       // counters of terms; resources that belong to no node
  kReadsOutside = 1u << 5,     // TaskView::outside_scores; of scores alone
};
constexpr Reads operator|(Reads a, Reads b) {
  return static_cast<Reads>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}

// A topology key on which the answers of a plugin of scope kDomain depend.
struct DomainKey {
  KeyId key;
  // A node without the label fails the plugin's filter, whatever is counted.
  bool required = false;

  constexpr auto operator<=>(const DomainKey&) const = default;
};

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

// What a filter or score of scope kDomain is besides. Its answer for a node depends on the domains
// that the node is in under the keys, and on counters: so it is asked about one node for each
// combination of domains, anew for each placement.
class DomainPlugin : public virtual Plugin {
 public:
  // Appends the keys that matter to such a task.
  virtual void AppendKeys(const TaskRequirements& needs, std::vector<DomainKey>& keys) const = 0;
  // True when, for such a task, the answer depends on what is counted in the node's own domains
  // alone. Then it is kept where each domain is one node, as the answer of kNode is.
  virtual bool IsLocal(const TaskRequirements& needs) const = 0;
};

// What a score of scope kSparse is besides: it has an opinion on few nodes for each task.
class SparsePlugin : public virtual Plugin {
 public:
  // Appends the slots that it scores other than 0 for this very task; each once.
  virtual void AppendSlots(const TaskView& task, const NodeColumns& columns,
                           std::vector<Slot>& slots) const = 0;
};

}  // namespace berth
