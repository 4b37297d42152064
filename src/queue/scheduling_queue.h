// Which group of tasks gets the next turn.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "berth/ids.h"
#include "state/requirements_table.h"

namespace berth::queue {

// A group of tasks with something to place. Lower keys first, then by job and group.
struct QueuedEntry {
  int64_t key = 0;
  JobId job;
  uint32_t group = 0;
  auto operator<=>(const QueuedEntry&) const = default;
};

// Entries by shape, shapes by their best entry.
//
// All entries of a shape fit the same nodes. So when no node fits one, none fits any: the whole
// shape is parked at the cost of one, and a million parked tasks of a hundred shapes are a hundred
// steps when something is freed. An array is one entry, however many tasks it has left.
//
// Invariants: a group with tasks of several shapes has an entry under each; `active_` holds (best
// entry, shape) of every shape that has entries and is not parked.
//
// Threading: owned by the loop's thread. Cost: O(log n) for each call unless it says otherwise.
class SchedulingQueue {
 public:
  struct Head {
    QueuedEntry entry;
    state::ShapeId shape = 0;
  };

  // Adds an entry; one that is there already stays. A parked shape stays parked: what did not fit
  // for one does not fit for another.
  void Add(state::ShapeId shape, const QueuedEntry& entry);
  // Takes an entry out, if it is there. A shape without entries is no longer parked.
  void Remove(state::ShapeId shape, const QueuedEntry& entry);

  // The best entry of all shapes that are not parked.
  std::optional<Head> Front() const;

  // No node fits this shape now. REQUIRES: it has an entry.
  void Park(state::ShapeId shape);
  // A node may fit this shape now. REQUIRES: it is parked.
  void Wake(state::ShapeId shape);
  // Gives every parked shape another try. Returns them. Cost: O(parked shapes).
  std::vector<state::ShapeId> WakeAll();

  bool IsParked(state::ShapeId shape) const;
  size_t parked_shapes() const { return parked_.size(); }

  // Entries before this one in policy order with their shapes, over all shapes, parked ones
  // included; nullopt when it is not queued. Cost: O(entries before it): for explanations.
  std::optional<std::vector<std::pair<state::ShapeId, QueuedEntry>>> Before(
      state::ShapeId shape, const QueuedEntry& entry) const;

 private:
  std::map<state::ShapeId, absl::btree_set<QueuedEntry>> by_shape_;
  std::set<std::pair<QueuedEntry, state::ShapeId>> active_;
  std::set<state::ShapeId> parked_;
};

}  // namespace berth::queue
