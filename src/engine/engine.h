// Exact placement at a cost that follows change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/node_mask.h"
#include "berth/task_view.h"
#include "engine/cell_layout.h"
#include "engine/placement.h"
#include "engine/plugin_set.h"
#include "engine/shape_columns.h"
#include "state/node_table.h"
#include "state/shape_id.h"

namespace berth::engine {

using state::ShapeKey;

// Chooses, among the nodes that pass every filter, the one with the highest total; of equals the
// one with the lowest rank. Exactly what a scan over all nodes would choose, of which the tests
// hold the plainest possible one against it.
//
// For each live shape it keeps the totals of all nodes (ShapeColumns) and how far it has read the
// table's log of changes. Before use a shape is brought up to date: what changed is asked again, a
// few plugin calls for a short list. A shape that is too far behind is asked about all nodes, in a
// few plugin calls for each thousand; one whose sets of devices are scored only when the log does
// not reach back, since each node that is asked about then takes calls of its own.
// The least recently used shapes are dropped when all of them take more than `memory_bytes`.
//
// A function of the table and the plugins alone: how it got there decides only the cost.
//
// Threading: owned by the loop's thread.
class Engine {
 public:
  struct Options {
    size_t memory_bytes = size_t{512} << 20;
    // Asking about n slots in their order costs about as much as about n / list_ratio in a list,
    // where no sets of devices are scored.
    size_t list_ratio = 3;
  };
  // What was done, since the engine was made.
  struct Counters {
    int64_t updates = 0;   // lists of changes that were asked again
    int64_t updated = 0;   // slots in them
    int64_t rebuilds = 0;  // passes over all nodes
    int64_t evictions = 0;
  };

  explicit Engine(const state::NodeTable& table) : Engine(table, Options{}) {}
  // `table` outlives this.
  Engine(const state::NodeTable& table, const Options& options);

  // Where the task would go. Nothing is changed: the caller allocates.
  //
  // REQUIRES: task.needs are those of `shape`, and `plugins` the same since it was first seen, or
  // since Reset; and so is task.outside_scores, or since Forget, but for slots that have changed.
  // Errors: a plugin that could not work, named; that no node fits is not an error.
  absl::StatusOr<Placement> Place(const PluginSet& plugins, ShapeKey shape, const TaskView& task);

  // Whether a node fits it now. REQUIRES, errors: as above.
  absl::StatusOr<bool> Fits(const PluginSet& plugins, ShapeKey shape, const TaskView& task);

  // A trial of the table begins; it is about to be undone. A shape that has read what the trial did
  // has those slots on a list of its own, since the table's log will not tell of them.
  void BeginTrial() { used_in_trial_ = 0; }
  void UndoTrial();

  // Entries of columns touched since the last call: what placements count against a turn's budget.
  int64_t TakeWork();

  // Forgets all shapes: the plugins have changed.
  void Reset();
  // Forgets what is kept of one: what its tasks are given from outside has changed. Cost: O(1); its
  // next use asks about all nodes.
  void Forget(state::ShapeId shape);

  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] size_t shapes() const { return recent_.size(); }

 private:
  struct Shape {
    ShapeKey key;
    ShapeColumns columns;
    size_t bytes = 0;
    uint64_t cursor = 0;         // changes that the tree has seen
    std::vector<Slot> undone;    // slots that were changed back since, of which no log tells
    uint64_t static_cursor = 0;  // static changes that the static part has seen
    uint64_t usage_cursor = 0;   // changes of measured use that it has seen, where it reads that
    uint32_t rank_capacity = 0;  // of the ranks in the tree
    std::list<state::ShapeId>::iterator recent;

    Shape(ShapeKey shape_key, const PluginSet& plugins, const TaskRequirements& needs)
        : key(shape_key), columns(plugins, needs) {}
  };

  Shape& Use(const PluginSet& plugins, ShapeKey key, const TaskView& task);
  void Drop(state::ShapeId id);
  // Brings a shape up to date, and chooses.
  absl::StatusOr<Shape*> Choose(const PluginSet& plugins, ShapeKey key, const TaskView& task,
                                Choice& choice);
  void Account(Shape& shape);
  absl::Status RefreshStatic(Shape& shape, const TaskView& task);
  absl::Status Refresh(Shape& shape, const TaskView& task);
  std::shared_ptr<const CellLayout> LayoutOf(const std::vector<DomainKey>& keys);
  // Whether the log has all that changed since a number.
  static bool ReachesBack(const state::DirtyLog& log, uint64_t cursor);
  // Whether a list of what changed since a number is worth asking about.
  bool IsNear(const state::DirtyLog& log, uint64_t cursor) const;
  // Slots of the log from `cursor` on, and `more`, each once. Valid until the next call.
  std::span<const Slot> ChangedSince(const state::DirtyLog& log, uint64_t cursor,
                                     std::span<const Slot> more = {});
  void Charge(const Shape& shape, size_t slots);

  const state::NodeTable& table_;
  const Options options_;
  std::vector<std::unique_ptr<Shape>> shapes_;  // by id; null: not kept
  std::list<state::ShapeId> recent_;            // most recently used first
  // Of the shapes that have cells, one for all that have the same keys.
  struct Layout {
    std::shared_ptr<const CellLayout> cells;
    uint64_t cursor = 0;  // static changes that it has seen
  };
  std::vector<Layout> layouts_;
  size_t bytes_ = 0;
  int64_t work_ = 0;
  size_t used_in_trial_ = 0;  // how many uses; those shapes are the first of recent_
  Counters counters_;

  ColumnScratch scratch_;
  std::vector<Slot> changed_;
  std::vector<Slot> used_;      // those whose measured use a shape has not seen
  std::vector<uint32_t> seen_;  // by slot: the pass of ChangedSince that has it
  uint32_t pass_ = 0;
};

}  // namespace berth::engine
