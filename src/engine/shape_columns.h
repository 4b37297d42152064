// What the engine keeps of one shape: who fits it, and how well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/aligned_vector.h"
#include "berth/node_columns.h"
#include "berth/node_mask.h"
#include "berth/slot_span.h"
#include "berth/task_view.h"
#include "engine/max_tree.h"
#include "engine/plugin_set.h"

namespace berth::engine {

// Space that answers of plugins pass through, kept so that none is allocated again.
//
// Threading: one shape at a time.
struct ColumnScratch {
  static constexpr size_t kSlots = GatheredColumns::kMostSlots;

  std::vector<uint64_t> words = std::vector<uint64_t>(kSlots / 64);
  std::vector<uint64_t> listed_words = std::vector<uint64_t>(kSlots / 64);
  base::AlignedVector<int32_t> totals = base::AlignedVector<int32_t>(kSlots);
  base::AlignedVector<int32_t> listed_totals = base::AlignedVector<int32_t>(kSlots);
  base::AlignedVector<int32_t> scores = base::AlignedVector<int32_t>(kSlots);
  std::vector<Slot> listed = std::vector<Slot>(kSlots);
  GatheredColumns gathered;
};

// The answers of a profile's plugins for one shape.
//
// What plugins say that read static columns alone is kept apart, as a set of nodes and a column of
// totals: binding and releasing, which is nearly all that happens, does not ask them again. The
// tree holds the totals of all plugins.
//
// Invariants: while has_static, static_nodes() and the static totals are those of the columns as of
// the last SetStatic or UpdateStatic; while has_tree, so is the tree as of the last Rebuild or
// Update.
//
// Threading and cost: owned by the engine; each call asks the plugins that it concerns about the
// slots that it is given, in pieces of ColumnScratch::kSlots.
// Errors: a plugin could not work, named; what was asked for is then not kept.
class ShapeColumns {
 public:
  // The plugins that do not skip such tasks. `needs` and the plugins outlive this.
  ShapeColumns(const PluginSet& plugins, const TaskRequirements& needs);

  // ---- what plugins say that read static columns alone ----

  absl::Status SetStatic(const TaskView& task, const NodeColumns& columns, ColumnScratch& scratch);
  // REQUIRES: has_static(), as for all below.
  absl::Status UpdateStatic(const TaskView& task, const NodeColumns& columns,
                            std::span<const Slot> slots, ColumnScratch& scratch);

  // ---- what all of them say ----

  absl::Status Rebuild(const TaskView& task, const NodeColumns& columns, ColumnScratch& scratch);
  // REQUIRES: has_tree().
  absl::Status Update(const TaskView& task, const NodeColumns& columns, std::span<const Slot> slots,
                      ColumnScratch& scratch);

  [[nodiscard]] bool has_static() const { return has_static_; }
  [[nodiscard]] bool has_tree() const { return has_tree_; }
  void DropStatic() { has_static_ = has_tree_ = false; }
  void DropTree() { has_tree_ = false; }
  [[nodiscard]] const MaxTree& tree() const { return tree_; }
  [[nodiscard]] MaxTree& tree() { return tree_; }
  // Makes room for further slots, which do not fit until they are updated.
  void Grow(size_t size);

  // Columns that one slot's answer takes, for the work budget.
  [[nodiscard]] int64_t passes() const {
    return static_cast<int64_t>(1 + filters_.size() + 2 * scores_.size());
  }
  [[nodiscard]] size_t bytes() const;

 private:
  // Totals of [first, first + totals.size()), -1 where the shape does not fit. Returns how many
  // fit.
  absl::Status ComputeRange(const TaskView& task, const NodeColumns& columns, Slot first,
                            std::span<int32_t> totals, ColumnScratch& scratch) const;
  // The same of slots that pass the static filters. REQUIRES: at most ColumnScratch::kSlots.
  absl::Status ComputeList(const TaskView& task, const NodeColumns& columns,
                           std::span<const Slot> slots, std::span<uint64_t> words,
                           std::span<int32_t> totals, ColumnScratch& scratch) const;
  absl::Status AddScores(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                         std::span<int32_t> totals, ColumnScratch& scratch) const;
  [[nodiscard]] int32_t StaticTotal(Slot slot) const {
    return static_totals_.empty() ? static_base_ : static_totals_[slot];
  }

  std::vector<const FilterPlugin*> static_filters_, filters_;
  std::vector<WeightedScore> static_scores_, scores_;

  NodeMask static_nodes_;
  // Empty: every node has the same, static_base_.
  base::AlignedVector<int32_t> static_totals_;
  int32_t static_base_ = 0;
  MaxTree tree_;
  bool has_static_ = false;
  bool has_tree_ = false;
};

}  // namespace berth::engine
