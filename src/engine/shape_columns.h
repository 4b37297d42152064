// What the engine keeps of one shape: who fits it, and how well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/aligned_vector.h"
#include "berth/node_mask.h"
#include "berth/slot_span.h"
#include "berth/task_view.h"
#include "engine/cell_layout.h"
#include "engine/device_choice.h"
#include "engine/max_tree.h"
#include "engine/plugin_set.h"
#include "engine/tie_break.h"
#include "state/node_table.h"

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
  DeviceChoice devices;

  // Of a choice: as long as it needs.
  std::vector<Slot> candidates;
  std::vector<uint32_t> candidate_cells;
  std::vector<uint64_t> candidate_words;
  base::AlignedVector<int32_t> candidate_totals, candidate_scores;
  std::vector<Slot> sparse_slots;
  std::vector<int32_t> sparse_totals;
};

// The best of all nodes for one task.
struct Choice {
  BestTwo two;
  int64_t feasible = 0;
  // The winner's scores by plugins of scope kCluster, which cannot be asked about it alone.
  std::vector<std::pair<const ScorePlugin*, int32_t>> cluster_scores;
};

// The answers of a profile's plugins for one shape, by what they depend on:
//
// * on static columns alone (labels, taints, readiness), or for a score on measured use too: kept
// as
//   a set of nodes and a column of totals, so that binding and releasing, which is nearly all that
//   happens, asks nobody again;
// * on a node's row: together with the former they are the leaves of a tree; so is what the best
//   sets of its devices score (DeviceChoice), for tasks that ask for some;
// * on counters of domains: asked about one node of each cell (CellLayout) at each choice. The
//   leaves then stand in a tree for each cell. Where each domain is one node, and the answer
//   depends on the node's own domain alone, it is kept as that of a row is. When cells are nearly
//   as many as nodes, all nodes that fit are asked about instead;
// * on this very task, on few nodes: those are taken out of the trees, and judged singly;
// * on anything else: asked about all nodes that fit.
//
// With ties that rotate the leaves are always by cells, of which each is in order of rank.
//
// Invariants: while has_static(), that first part is that of the columns as of the last SetStatic
// or UpdateStatic; while has_tree(), so are the leaves as of the last Rebuild or Update.
//
// Threading and cost: owned by the engine; each call asks the plugins that it concerns about the
// slots that it is given, in pieces of ColumnScratch::kSlots.
// Errors: a plugin could not work, named; what was asked for is then not kept.
class ShapeColumns final : public EligibleDomains {
 public:
  using FindLayout =
      std::function<std::shared_ptr<const CellLayout>(const std::vector<DomainKey>&)>;

  // The plugins that do not skip such tasks. `needs` and the plugins outlive this. One that cannot
  // say whether it does is asked again by SetStatic.
  ShapeColumns(const PluginSet& plugins, const TaskRequirements& needs);

  // ---- what plugins say that read static columns alone ----

  // Drops the leaves, since who has which is decided anew.
  absl::Status SetStatic(const TaskView& task, const state::NodeTable& table,
                         const FindLayout& find_layout, ColumnScratch& scratch);
  // REQUIRES: has_static() and IsStaticRight(), as for all below.
  absl::Status UpdateStatic(const TaskView& task, const state::NodeTable& table,
                            std::span<const Slot> slots, ColumnScratch& scratch);
  // Whether the slots are in the cells that they are known in, and domains with one node each still
  // have one.
  [[nodiscard]] bool IsStaticRight(const state::NodeTable& table,
                                   std::span<const Slot> slots) const;

  // ---- what plugins say of a node's row ----

  absl::Status Rebuild(const TaskView& task, const state::NodeTable& table, ColumnScratch& scratch);
  // REQUIRES: has_tree().
  absl::Status Update(const TaskView& task, const state::NodeTable& table,
                      std::span<const Slot> slots, ColumnScratch& scratch);

  // ---- what all of them say ----

  // REQUIRES: has_tree().
  absl::Status Choose(const TaskView& task, const state::NodeTable& table, ColumnScratch& scratch,
                      Choice& choice);

  [[nodiscard]] bool has_static() const { return has_static_; }
  // Whether measured use is part of that.
  [[nodiscard]] bool static_reads_usage() const { return static_reads_usage_; }
  [[nodiscard]] bool has_tree() const { return has_tree_; }
  // Whether sets of devices are scored. That is done node by node, and costs so much that a node
  // in a list costs no more than one in a pass over all.
  [[nodiscard]] bool scores_devices() const { return !device_scorers_.empty(); }
  // Makes room for further slots, which do not fit until they are updated. REQUIRES: no cells.
  void Grow(size_t size);
  // Ranks were drawn again. REQUIRES: no cells.
  void Rekey() { tree_.Rekey(); }
  [[nodiscard]] bool has_cells() const { return layout_ != nullptr; }

  // Columns that one slot's answer takes, for the work budget; and slots that a choice asks about.
  [[nodiscard]] int64_t passes() const {
    return static_cast<int64_t>(1 + filters_.size() + 2 * scores_.size() +
                                4 * device_scorers_.size());
  }
  [[nodiscard]] size_t slots_of_choice() const { return slots_of_choice_; }
  [[nodiscard]] size_t bytes() const;

  // ---- EligibleDomains ----
  std::span<const int32_t> Of(KeyId key) const override;

 private:
  // A plugin whose answers depend on domains.
  struct OfDomains {
    const FilterPlugin* filter = nullptr;  // or a score
    WeightedScore score;
    std::vector<DomainKey> keys;
    bool is_local = false;
    bool is_kept = false;  // as that of a row
  };
  // Sorts the plugins by what they depend on.
  absl::Status AskPlugins(const TaskRequirements& needs);
  [[nodiscard]] bool MayKeep(const OfDomains& plugin, const state::NodeTable& table) const;
  void FindEligible();

  absl::Status ComputeRange(const TaskView& task, const NodeColumns& columns, Slot first,
                            std::span<int32_t> totals, ColumnScratch& scratch) const;
  absl::Status ComputeList(const TaskView& task, const NodeColumns& columns,
                           std::span<const Slot> slots, std::span<uint64_t> words,
                           std::span<int32_t> totals, ColumnScratch& scratch) const;
  // Of slots that are not in `fitting` totals are then nothing in particular.
  absl::Status AddScores(const TaskView& task, const NodeColumns& columns, const SlotMask& fitting,
                         std::span<int32_t> totals, ColumnScratch& scratch) const;
  [[nodiscard]] int32_t StaticTotal(Slot slot) const {
    return static_totals_.empty() ? static_base_ : static_totals_[slot];
  }

  [[nodiscard]] int32_t Leaf(Slot slot) const;
  void SetLeaf(Slot slot, int32_t total, std::span<const uint32_t> ranks);

  // Asks the plugins of the choice about scratch.candidates: leaves those that pass with their
  // totals.
  absl::Status Judge(const TaskView& task, const NodeColumns& columns,
                     std::span<const FilterPlugin* const> filters,
                     std::span<const WeightedScore> scores, ColumnScratch& scratch) const;
  absl::Status ChooseAmongCells(const TaskView& task, const NodeColumns& columns,
                                ColumnScratch& scratch, Choice& choice);
  absl::Status ChooseAmongAll(const TaskView& task, const NodeColumns& columns,
                              ColumnScratch& scratch, Choice& choice);
  absl::Status ChooseWithSparse(const TaskView& task, const NodeColumns& columns,
                                ColumnScratch& scratch, Choice& choice);
  absl::Status ChooseWithoutSparse(const TaskView& task, const NodeColumns& columns,
                                   ColumnScratch& scratch, Choice& choice);

  const PluginSet& plugins_;
  absl::Status asked_;  // what became of AskPlugins
  // By what they depend on. What is kept of `of_domains_` is in filters_ and scores_ too, at their
  // ends.
  std::vector<const FilterPlugin*> static_filters_, filters_, sparse_filters_, cluster_filters_;
  std::vector<WeightedScore> static_scores_, scores_, sparse_scores_, cluster_scores_;
  std::vector<DeviceScorer> device_scorers_;
  std::vector<OfDomains> of_domains_;
  bool static_reads_usage_ = false;
  bool rotates_ties_ = false;
  size_t row_filters_ = 0;  // of filters_, those that depend on a row
  size_t row_scores_ = 0;
  // Of of_domains_, those that are not kept; and with those of few nodes.
  std::vector<const FilterPlugin*> choice_filters_, single_filters_;
  std::vector<WeightedScore> choice_scores_, single_scores_;

  NodeMask static_nodes_;
  // Empty: every node has the same, static_base_.
  base::AlignedVector<int32_t> static_totals_;
  int32_t static_base_ = 0;
  // With choice_filters_ or choice_scores_.
  std::shared_ptr<const CellLayout> layout_;
  std::vector<int64_t> static_in_cell_;
  std::vector<std::vector<int32_t>> eligible_;  // by key of the layout
  bool eligible_is_right_ = false;

  // The leaves: of all nodes, or of each cell's.
  MaxTree tree_;
  std::vector<MaxTree> cell_trees_;
  TieBreak ties_;  // of the choice that is made
  bool by_cells_ = false;
  bool has_static_ = false;
  bool has_tree_ = false;
  size_t slots_of_choice_ = 0;
};

}  // namespace berth::engine
