// Shapes that fit nowhere, until a node may hold them again.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "berth/task_view.h"
#include "engine/plugin_set.h"
#include "engine/shape_columns.h"
#include "state/node_table.h"
#include "state/shape_id.h"

namespace berth::engine {

// Watches, for each parked shape, the nodes that may have become able to hold more. A shape wakes
// when one of them passes its filters, and never otherwise: what is freed but does not suffice
// wakes nobody, and while nothing is freed nothing is done.
//
// Invariants: no node passes the filters of a shape in here, but for those that improved since
// cursor_.
//
// Threading: owned by the loop's thread. Cost: O(1) for each call but Wake.
class ParkedShapes {
 public:
  // `table` outlives this.
  explicit ParkedShapes(const state::NodeTable& table) : table_(table) {}

  // No node fits this shape now. `needs` and `plugins` outlive its stay.
  void Park(state::ShapeId shape, const PluginSet& plugins, const TaskRequirements& needs);
  // Nobody waits for it any more, or it is tried for another reason.
  void Remove(state::ShapeId shape) { parked_.erase(shape); }
  void Clear() { parked_.clear(); }

  // Takes out and returns, in order of number, the shapes that some node fits now, or whose plugins
  // cannot say.
  // Cost: nothing when no node has improved; else a few comparisons for each pair of a parked shape
  // and an improved node, and the filters for pairs that have enough of every resource.
  std::vector<state::ShapeId> Wake();

  // Entries of columns touched by Wake() since the last call.
  int64_t TakeWork();
  size_t size() const { return parked_.size(); }

 private:
  struct Waiting {
    const PluginSet* plugins = nullptr;
    const TaskRequirements* needs = nullptr;
  };

  // Slots that improved since cursor_, each once.
  std::vector<Slot> Improved() const;
  // Whether one of the slots passes the filters.
  bool MayFit(const Waiting& waiting, const std::vector<Slot>& improved);

  const state::NodeTable& table_;
  std::map<state::ShapeId, Waiting> parked_;
  uint64_t cursor_ = 0;
  int64_t work_ = 0;
  std::vector<Slot> candidates_;
  std::vector<uint64_t> words_;
};

}  // namespace berth::engine
