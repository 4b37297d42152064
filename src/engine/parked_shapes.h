// Shapes that fit nowhere, until a node may hold them again.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "berth/task_view.h"
#include "engine/plugin_set.h"
#include "engine/shape_columns.h"
#include "state/node_table.h"
#include "state/shape_id.h"

namespace berth::engine {

// Watches, for each parked shape, the nodes that may have become able to hold more. A shape wakes
// when one of them passes its filters, and never otherwise: what is freed but does not suffice
// wakes nobody, and while nothing is freed nothing is done. A shape with rules between tasks wakes
// also when a counter of one of them has changed, or a node in more than what is allocated on it:
// then a whole domain may have opened. One with a filter that may depend on anything wakes whenever
// anything has changed.
//
// Invariants: no node passes the filters of a shape in here, but for what changed since the
// cursors.
//
// Threading: owned by the loop's thread. Cost: O(1) for each call but Wake.
class ParkedShapes {
 public:
  // `table` outlives this.
  explicit ParkedShapes(const state::NodeTable& table) : table_(table) {}

  // No node fits this shape now. `needs` and `plugins` outlive its stay.
  void Park(state::ShapeId shape, const PluginSet& plugins, const TaskRequirements& needs);
  // Nobody waits for it any more, or it is tried for another reason.
  void Remove(state::ShapeId shape) {
    parked_.erase(shape);
    watching_.erase(shape);
  }
  void Clear() {
    parked_.clear();
    watching_.clear();
  }

  // Takes out and returns, in order of number, the shapes that some node fits now, or whose plugins
  // cannot say.
  // Cost: nothing when nothing has changed; O(rules) for each shape with rules when a counter has;
  // when a node has improved a few comparisons for each pair of a parked shape
  // and an improved node, and the filters for pairs that have enough of every resource.
  std::vector<state::ShapeId> Wake();

  // Whether Wake() could return some, without looking at any: a counter of rules has changed since.
  bool MayWake() const {
    return !watching_.empty() && table_.topology().version() != seen_.counters;
  }

  // Entries of columns touched by Wake() since the last call.
  int64_t TakeWork();
  size_t size() const { return parked_.size(); }

 private:
  // What else than a node that improves may wake a shape.
  enum class Watch : uint8_t { kNothing, kRules, kEverything };
  struct Waiting {
    const PluginSet* plugins = nullptr;
    const TaskRequirements* needs = nullptr;
    Watch watch = Watch::kNothing;
    bool is_refused = false;  // whatever the nodes
    uint64_t counters = 0;    // sum of the versions of its rules' counters when it was parked
  };
  struct Cursors {
    uint64_t improvements = 0;
    uint64_t static_changes = 0;
    uint64_t changes = 0;
    uint64_t counters = 0;

    bool operator==(const Cursors&) const = default;
  };

  Cursors Now() const;
  uint64_t VersionOf(const TaskRequirements& needs) const;
  bool HasOpened(const Waiting& waiting, const Cursors& now) const;
  // Slots that improved since the cursor, each once.
  std::vector<Slot> Improved() const;
  // Whether one of the slots passes the filters.
  bool MayFit(const Waiting& waiting, const std::vector<Slot>& improved);

  const state::NodeTable& table_;
  std::map<state::ShapeId, Waiting> parked_;
  std::set<state::ShapeId> watching_;  // those that watch something
  Cursors seen_;
  int64_t work_ = 0;
  std::vector<Slot> candidates_;
  std::vector<uint64_t> words_;
};

}  // namespace berth::engine
