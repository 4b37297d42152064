// Measured times of travel between nodes, and how near the domains are to one another by them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "berth/ids.h"
#include "berth/terms.h"
#include "state/topology.h"

namespace berth::state {

// What NodeColumns::nearness() makes of a round trip. REQUIRES: round_trip_us > 0.
int32_t NearnessOf(int64_t round_trip_us);

// A few pairs of nodes are measured (scheduler/peers.cc), so that domains that lie near each other
// in the order of their nodes' names have some; not kept over a restart.
//
// For topology keys that are watched it has a table: the nearness of each domain to each other one,
// the median over the measured pairs of their nodes, whichever end did it. A table is that of when
// it was counted: at once for a key that nobody watched before, and anew by Recount.
//
// Invariants: a key with a table has a watcher; tables have at most kMostDomains domains, those
// that were known first.
//
// Threading: owned by the loop's thread.
class LatencyMatrix {
 public:
  static constexpr size_t kMostDomains = 512;

  // As node `from` has measured it; 0: no answer, nothing is known then. Cost: O(log pairs).
  void Set(Slot from, Slot to, int64_t round_trip_us);
  // Everything that a node has measured.
  void Forget(Slot from);

  // What a node has measured, by slot.
  [[nodiscard]] const std::map<Slot, int64_t>& From(Slot from) const;

  // One watcher more, or less. REQUIRES: `topology` tracks the key. Cost: O(all measured pairs) for
  // the first one.
  void Watch(KeyId key, const Topology& topology);
  void Unwatch(KeyId key);

  // True when something was measured, or was forgotten, since the last Recount began, and somebody
  // watches.
  [[nodiscard]] bool IsStale() const { return is_stale_ && !tables_.empty(); }
  [[nodiscard]] bool is_counting() const { return count_.has_value(); }
  // Begins to count all tables anew, or goes on with that, by what `nodes` nodes have measured;
  // with the last of them they are in force. Cost: O(what those have measured x watched keys).
  void Recount(const Topology& topology, size_t nodes);

  // Nearness of a domain to each of its key, by domain: 0 to kMaxNearness; 0 to others of which
  // nothing was measured, kMaxNearness to itself then. Empty: the table does not have the domain.
  [[nodiscard]] std::span<const int32_t> Nearness(KeyId key, int32_t domain) const;

 private:
  static constexpr size_t kSteps = kMaxNearness + 1;
  // How many measured pairs there are of each nearness, by the lower and the higher domain.
  using Pairs = std::map<std::pair<int32_t, int32_t>, std::array<uint32_t, kSteps>>;
  struct Table {
    int64_t watchers = 0;
    size_t domains = 0;
    std::vector<int32_t> rows;  // one after the other
  };
  struct Count {
    std::map<KeyId, Pairs> pairs;
    Slot next = 0;
  };

  void Add(Slot from, const std::map<Slot, int64_t>& measured, KeyId key, const Topology& topology,
           Pairs& pairs) const;
  static void Fill(const Pairs& pairs, size_t domains, Table& table);

  std::map<Slot, std::map<Slot, int64_t>> measured_;
  std::map<KeyId, Table> tables_;
  std::optional<Count> count_;
  bool is_stale_ = false;
};

}  // namespace berth::state
