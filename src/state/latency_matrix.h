// Measured times of travel between nodes, and between the domains that they are in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "berth/ids.h"
#include "state/node_table.h"

namespace berth::state {

// A few pairs of nodes are measured (scheduler/peers.cc), so that domains that lie near each other
// in the order of their nodes' names have some; not kept over a restart. What Between() tells is
// there to be scored with; nothing in this version asks for it.
//
// Threading: owned by the loop's thread.
class LatencyMatrix {
 public:
  // As node `from` has measured it; 0: no answer, nothing is known then. Cost: O(log pairs).
  void Set(Slot from, Slot to, int64_t round_trip_us);
  // Everything that a node has measured.
  void Forget(Slot from);

  // What a node has measured, by slot.
  [[nodiscard]] const std::map<Slot, int64_t>& From(Slot from) const;

  // Between two domains of a topology key: the median over the pairs of nodes that were measured,
  // whichever end did it; nothing: none was. Cost: O(all measured pairs), whatever the domains, and
  // the sorting of those that are found: not for every node or task.
  [[nodiscard]] std::optional<int64_t> Between(const NodeTable& nodes, LabelId one,
                                               LabelId other) const;

 private:
  void Collect(const NodeTable& nodes, LabelId from, LabelId to, std::vector<int64_t>& found) const;

  std::map<Slot, std::map<Slot, int64_t>> measured_;
};

}  // namespace berth::state
