#include "engine/shape_columns.h"

#include <algorithm>
#include <string>

#include "base/planted_fault.h"
#include "base/status_macros.h"
#include "berth/vector_kernel.h"
#include "engine/run_plugins.h"

namespace berth::engine {
namespace {

constexpr size_t kSlots = ColumnScratch::kSlots;

// Of the slots of a range, the part from which on asking about all of them costs less than asking
// about a list.
constexpr int64_t kSparse = 8;

// Of nodes, the part from which on asking about one node of each cell costs more than asking about
// all.
constexpr size_t kManyCells = 8;

// Scores from outside count as static: when they change, the shape is forgotten as a whole.
bool ReadsStaticAlone(Reads reads) { return (reads & ~(kReadsStatic | kReadsOutside)) == 0; }

// What a score is kept by that neither bind nor release changes.
bool IsKeptApart(Reads reads) { return (reads & ~(kReadsStatic | kReadsUsage)) == 0; }

// Each key once, in order; required when any of them says so.
void MakeUnique(std::vector<DomainKey>& keys) {
  std::sort(keys.begin(), keys.end(), [](const DomainKey& a, const DomainKey& b) {
    return a.key != b.key ? a.key < b.key : a.required > b.required;
  });
  const auto same = [](const DomainKey& a, const DomainKey& b) { return a.key == b.key; };
  keys.erase(std::unique(keys.begin(), keys.end(), same), keys.end());
}

// -1 where the bit is not set.
BERTH_VECTOR_KERNEL void MaskTotals(const uint64_t* words, int32_t* totals, size_t n) {
  for (size_t begin = 0; begin < n; begin += 64) {
    const uint64_t word = words[begin / 64];
    if (word == ~uint64_t{0}) continue;
    const size_t end = std::min<size_t>(64, n - begin);
    for (size_t i = 0; i < end; ++i) {
      totals[begin + i] |= static_cast<int32_t>((word >> i) & 1) - 1;
    }
  }
}

// A list whose columns are gathered once for all plugins, if it is so long that this pays.
SlotSpan ListOf(std::span<const Slot> slots, ColumnScratch& scratch) {
  constexpr size_t kWorthGathering = 32;
  if (slots.size() < kWorthGathering) return SlotSpan::List(slots);
  scratch.gathered.Clear();
  return SlotSpan::List(slots, &scratch.gathered);
}

// Sets the first `n` bits of as many words as they take.
void SetAll(std::span<uint64_t> words, size_t n) {
  std::fill(words.begin(), words.end(), ~uint64_t{0});
  if (n % 64 != 0) words.back() = (uint64_t{1} << (n % 64)) - 1;
}

// What is left of the plugins for a task that one of them refuses.
class NoNodes final : public FilterPlugin {
 public:
  std::string_view name() const override { return "refused"; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic; }
  absl::Status Filter(const TaskView&, const NodeColumns&, SlotMask& feasible) const override {
    feasible.ForEach([&](size_t i, Slot) { feasible.Clear(i); });
    return absl::OkStatus();
  }
  void Diagnose(const TaskView&, const NodeColumns&, const NodeMask&,
                RejectionSink&) const override {}
};
const NoNodes kNoNodes;

template <typename F>
absl::Status ForEachPiece(size_t size, F&& f) {
  for (size_t begin = 0; begin < size; begin += kSlots) {
    BERTH_RETURN_IF_ERROR(f(begin, std::min(kSlots, size - begin)));
  }
  return absl::OkStatus();
}

}  // namespace

ShapeColumns::ShapeColumns(const PluginSet& plugins, const TaskRequirements& needs)
    : plugins_(plugins), rotates_ties_(plugins.rotates_ties) {
  asked_ = AskPlugins(needs);
}

absl::Status ShapeColumns::AskPlugins(const TaskRequirements& needs) {
  for (auto* filters : {&static_filters_, &filters_, &sparse_filters_, &cluster_filters_}) {
    filters->clear();
  }
  for (auto* scores : {&static_scores_, &scores_, &sparse_scores_, &cluster_scores_}) {
    scores->clear();
  }
  device_scorers_.clear();
  of_domains_.clear();
  row_filters_ = row_scores_ = 0;
  BERTH_ASSIGN_OR_RETURN(const std::optional<Refusal> refusal, RefusedBy(plugins_, needs));
  if (refusal) {
    static_filters_.push_back(&kNoNodes);
    return absl::OkStatus();
  }
  const auto of_domains = [&](const Plugin& plugin, OfDomains entry) -> absl::Status {
    const auto& domain = dynamic_cast<const DomainPlugin&>(plugin);
    BERTH_RETURN_IF_ERROR(AppendKeys(domain, needs, entry.keys));
    BERTH_ASSIGN_OR_RETURN(entry.is_local, IsLocal(domain, needs));
    of_domains_.push_back(std::move(entry));
    return absl::OkStatus();
  };
  for (const FilterPlugin* filter : plugins_.filters) {
    BERTH_ASSIGN_OR_RETURN(const bool passes_all, PassesAll(*filter, needs));
    if (passes_all) continue;
    switch (filter->scope()) {
      case Scope::kNode:
        (ReadsStaticAlone(filter->reads()) ? static_filters_ : filters_).push_back(filter);
        break;
      case Scope::kDomain:
        BERTH_RETURN_IF_ERROR(of_domains(*filter, {.filter = filter}));
        break;
      case Scope::kSparse:
        sparse_filters_.push_back(filter);
        break;
      case Scope::kCluster:
        cluster_filters_.push_back(filter);
        break;
    }
  }
  for (size_t i = 0; i < plugins_.scores.size(); ++i) {
    const WeightedScore& score = plugins_.scores[i];
    BERTH_ASSIGN_OR_RETURN(const bool scores_sets, ScoresSets(score, needs));
    if (scores_sets) device_scorers_.push_back({score.of_devices, score.weight, i});
    BERTH_ASSIGN_OR_RETURN(const bool scores_nodes, ScoresNodes(score, needs));
    if (!scores_nodes) continue;
    switch (score.plugin->scope()) {
      case Scope::kNode:
        (IsKeptApart(score.plugin->reads()) ? static_scores_ : scores_).push_back(score);
        static_reads_usage_ = static_reads_usage_ || (IsKeptApart(score.plugin->reads()) &&
                                                      !ReadsStaticAlone(score.plugin->reads()));
        break;
      case Scope::kDomain:
        BERTH_RETURN_IF_ERROR(of_domains(*score.plugin, {.score = score}));
        break;
      case Scope::kSparse:
        sparse_scores_.push_back(score);
        break;
      case Scope::kCluster:
        cluster_scores_.push_back(score);
        break;
    }
  }
  row_filters_ = filters_.size();
  row_scores_ = scores_.size();
  return absl::OkStatus();
}

// ---- what plugins say that read static columns alone ----

bool ShapeColumns::MayKeep(const OfDomains& plugin, const state::NodeTable& table) const {
  return plugin.is_local &&
         std::all_of(plugin.keys.begin(), plugin.keys.end(),
                     [&](const DomainKey& key) { return table.topology().IsOneNodeEach(key.key); });
}

bool ShapeColumns::IsStaticRight(const state::NodeTable& table, std::span<const Slot> slots) const {
  const bool kept_right =
      std::all_of(of_domains_.begin(), of_domains_.end(), [&](const OfDomains& plugin) {
        return plugin.is_kept == MayKeep(plugin, table) || BERTH_PLANTED(kKeepLocal);
      });
  return kept_right && (layout_ == nullptr ||
                        (layout_->rank_capacity() == table.rank_capacity() &&
                         std::all_of(slots.begin(), slots.end(),
                                     [&](Slot slot) { return layout_->IsRightFor(table, slot); })));
}

absl::Status ShapeColumns::SetStatic(const TaskView& task, const state::NodeTable& table,
                                     const FindLayout& find_layout, ColumnScratch& scratch) {
  has_static_ = has_tree_ = false;
  if (!asked_.ok()) asked_ = AskPlugins(task.needs);
  BERTH_RETURN_IF_ERROR(asked_);
  filters_.resize(row_filters_);
  scores_.resize(row_scores_);
  choice_filters_.clear();
  choice_scores_.clear();
  std::vector<DomainKey> keys;
  for (OfDomains& plugin : of_domains_) {
    for (const DomainKey& key : plugin.keys) {
      if (table.topology().Tracks(key.key)) continue;
      const Plugin& at_fault = plugin.filter != nullptr
                                   ? static_cast<const Plugin&>(*plugin.filter)
                                   : static_cast<const Plugin&>(*plugin.score.plugin);
      return absl::InternalError("plugin \"" + std::string(at_fault.name()) +
                                 "\" names a topology key that none of the task's terms names");
    }
    plugin.is_kept = MayKeep(plugin, table);
    if (plugin.filter != nullptr) {
      (plugin.is_kept ? filters_ : choice_filters_).push_back(plugin.filter);
    } else {
      (plugin.is_kept ? scores_ : choice_scores_).push_back(plugin.score);
    }
    if (!plugin.is_kept) keys.insert(keys.end(), plugin.keys.begin(), plugin.keys.end());
  }
  single_filters_ = choice_filters_;
  single_filters_.insert(single_filters_.end(), sparse_filters_.begin(), sparse_filters_.end());
  single_scores_ = choice_scores_;
  single_scores_.insert(single_scores_.end(), sparse_scores_.begin(), sparse_scores_.end());
  MakeUnique(keys);
  const bool needs_cells = rotates_ties_ || !choice_filters_.empty() || !choice_scores_.empty();
  layout_ = needs_cells ? find_layout(keys) : nullptr;
  by_cells_ = layout_ != nullptr && cluster_filters_.empty() && cluster_scores_.empty() &&
              layout_->cells().size() * kManyCells <= table.size();

  const size_t size = table.size();
  static_nodes_ = table.live();
  static_totals_.assign(static_scores_.empty() ? 0 : size, 0);
  static_base_ = 0;
  const absl::Status done = ForEachPiece(size, [&](size_t begin, size_t n) -> absl::Status {
    const SlotSpan range = SlotSpan::Range(static_cast<Slot>(begin), n);
    SlotMask mask(range, static_nodes_.mutable_words().subspan(begin / 64, WordsFor(n)));
    for (const FilterPlugin* filter : static_filters_) {
      if (!mask.Any()) break;
      BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, table, mask));
    }
    const std::span<int32_t> scores(scratch.scores.data(), n);
    for (const WeightedScore& score : static_scores_) {
      BERTH_RETURN_IF_ERROR(
          AddScore(score, task, table, range, scores, std::span(static_totals_).subspan(begin, n)));
    }
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  if (!static_totals_.empty() &&
      std::count(static_totals_.begin(), static_totals_.end(), static_totals_[0]) ==
          static_cast<std::ptrdiff_t>(size)) {
    static_base_ = static_totals_[0];
    static_totals_ = {};
    static_totals_.shrink_to_fit();
  }
  if (layout_ != nullptr) {
    static_in_cell_.assign(layout_->cells().size(), 0);
    static_nodes_.ForEach([&](Slot slot) {
      if (layout_->cell_of(slot) == CellLayout::kNoCell) {
        static_nodes_.Clear(slot);
      } else {
        ++static_in_cell_[layout_->cell_of(slot)];
      }
    });
  }
  eligible_is_right_ = false;
  has_static_ = true;
  return absl::OkStatus();
}

absl::Status ShapeColumns::UpdateStatic(const TaskView& task, const state::NodeTable& table,
                                        std::span<const Slot> slots, ColumnScratch& scratch) {
  const bool kept_tree = has_tree_;
  has_static_ = has_tree_ = false;
  const absl::Status done = ForEachPiece(slots.size(), [&](size_t begin, size_t n) -> absl::Status {
    const SlotSpan list = ListOf(slots.subspan(begin, n), scratch);
    const std::span<uint64_t> words(scratch.words.data(), WordsFor(n));
    std::fill(words.begin(), words.end(), 0);
    list.ForEach([&](size_t i, Slot slot) {
      const bool may = table.live().Test(slot) &&
                       (layout_ == nullptr || layout_->cell_of(slot) != CellLayout::kNoCell);
      words[i / 64] |= uint64_t{may} << (i % 64);
    });
    SlotMask mask(list, words);
    for (const FilterPlugin* filter : static_filters_) {
      BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, table, mask));
    }
    list.ForEach([&](size_t i, Slot slot) {
      const bool before = static_nodes_.Test(slot);
      if (before == mask.Test(i)) return;
      static_nodes_.Assign(slot, !before);
      if (layout_ == nullptr) return;
      static_in_cell_[layout_->cell_of(slot)] += before ? -1 : 1;
      eligible_is_right_ = BERTH_PLANTED(kKeepEligible);
    });

    const std::span<int32_t> totals(scratch.totals.data(), n);
    std::fill(totals.begin(), totals.end(), 0);
    for (const WeightedScore& score : static_scores_) {
      BERTH_RETURN_IF_ERROR(AddScore(score, task, table, list, {scratch.scores.data(), n}, totals));
    }
    if (static_scores_.empty()) return absl::OkStatus();
    list.ForEach([&](size_t i, Slot slot) {
      if (StaticTotal(slot) == totals[i]) return;
      if (static_totals_.empty()) static_totals_.assign(static_nodes_.size(), static_base_);
      static_totals_[slot] = totals[i];
    });
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  has_static_ = true;
  has_tree_ = kept_tree;
  return absl::OkStatus();
}

void ShapeColumns::FindEligible() {
  eligible_is_right_ = true;
  eligible_.assign(layout_->keys().size(), {});
  for (size_t k = 0; k < eligible_.size(); ++k) {
    std::vector<int32_t>& domains = eligible_[k];
    for (size_t c = 0; c < static_in_cell_.size(); ++c) {
      const int32_t domain = layout_->cells()[c].domains[k];
      if (static_in_cell_[c] > 0 && domain != kNoDomain) domains.push_back(domain);
    }
    std::sort(domains.begin(), domains.end());
    domains.erase(std::unique(domains.begin(), domains.end()), domains.end());
  }
}

std::span<const int32_t> ShapeColumns::Of(KeyId key) const {
  for (size_t k = 0; k < eligible_.size(); ++k) {
    if (layout_->keys()[k].key == key) return eligible_[k];
  }
  return {};
}

// ---- what plugins say of a node's row ----

absl::Status ShapeColumns::AddScores(const TaskView& task, const NodeColumns& columns,
                                     const SlotMask& fitting, std::span<int32_t> totals,
                                     ColumnScratch& scratch) const {
  const std::span<int32_t> scores(scratch.scores.data(), totals.size());
  for (const WeightedScore& score : scores_) {
    BERTH_RETURN_IF_ERROR(AddScore(score, task, columns, fitting.slots(), scores, totals));
  }
  if (device_scorers_.empty()) return absl::OkStatus();
  absl::Status status;
  fitting.ForEach([&](size_t i, Slot slot) {
    if (!status.ok()) return;
    status = scratch.devices.Choose(device_scorers_, task, columns, slot);
    totals[i] += scratch.devices.total();
  });
  return status;
}

absl::Status ShapeColumns::ComputeList(const TaskView& task, const NodeColumns& columns,
                                       std::span<const Slot> slots, std::span<uint64_t> words,
                                       std::span<int32_t> totals, ColumnScratch& scratch) const {
  const SlotSpan list = ListOf(slots, scratch);
  SlotMask mask(list, words);
  for (const FilterPlugin* filter : filters_) {
    BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, columns, mask));
  }
  for (size_t i = 0; i < slots.size(); ++i) totals[i] = StaticTotal(slots[i]);
  BERTH_RETURN_IF_ERROR(AddScores(task, columns, mask, totals, scratch));
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!mask.Test(i)) totals[i] = -1;
  }
  return absl::OkStatus();
}

absl::Status ShapeColumns::ComputeRange(const TaskView& task, const NodeColumns& columns,
                                        Slot first, std::span<int32_t> totals,
                                        ColumnScratch& scratch) const {
  const size_t n = totals.size();
  const std::span<uint64_t> words(scratch.words.data(), WordsFor(n));
  std::copy_n(static_nodes_.words().begin() + first / 64, words.size(), words.begin());
  SlotMask mask(SlotSpan::Range(first, n), words);
  for (const FilterPlugin* filter : filters_) {
    if (!mask.Any()) break;
    BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, columns, mask));
  }
  const int64_t fitting = mask.Count();
  if (fitting * kSparse > static_cast<int64_t>(n)) {
    if (static_totals_.empty()) {
      std::fill(totals.begin(), totals.end(), static_base_);
    } else {
      std::copy_n(static_totals_.begin() + first, n, totals.begin());
    }
    BERTH_RETURN_IF_ERROR(AddScores(task, columns, mask, totals, scratch));
    MaskTotals(words.data(), totals.data(), n);
    return absl::OkStatus();
  }
  std::fill(totals.begin(), totals.end(), -1);
  if (fitting == 0) return absl::OkStatus();
  size_t count = 0;
  mask.ForEach([&](size_t, Slot slot) {
    scratch.listed_totals[count] = StaticTotal(slot);
    scratch.listed[count++] = slot;
  });
  const std::span<int32_t> listed(scratch.listed_totals.data(), count);
  // The words of the range have been read.
  SetAll(words.first(WordsFor(count)), count);
  const SlotMask all(ListOf({scratch.listed.data(), count}, scratch), words.first(WordsFor(count)));
  BERTH_RETURN_IF_ERROR(AddScores(task, columns, all, listed, scratch));
  for (size_t i = 0; i < count; ++i) totals[scratch.listed[i] - first] = listed[i];
  return absl::OkStatus();
}

// Of shapes by cells the leaves go where their cells are; `totals` are in order of slots.
absl::Status ShapeColumns::Rebuild(const TaskView& task, const state::NodeTable& table,
                                   ColumnScratch& scratch) {
  has_tree_ = false;
  if (!by_cells_) {
    cell_trees_.clear();
    tree_.Grow(table.size());
    const std::span<int32_t> leaves = tree_.leaves();
    BERTH_RETURN_IF_ERROR(ForEachPiece(leaves.size(), [&](size_t begin, size_t n) {
      return ComputeRange(task, table, static_cast<Slot>(begin), leaves.subspan(begin, n), scratch);
    }));
    tree_.Rekey();
    has_tree_ = true;
    return absl::OkStatus();
  }
  tree_ = {};
  cell_trees_.resize(layout_->cells().size());
  for (size_t c = 0; c < cell_trees_.size(); ++c) {
    cell_trees_[c] = {};
    cell_trees_[c].Grow(layout_->cells()[c].slots.size());
  }
  const absl::Status done = ForEachPiece(table.size(), [&](size_t begin, size_t n) {
    const Slot first = static_cast<Slot>(begin);
    const std::span<int32_t> totals(scratch.totals.data(), n);
    absl::Status status = ComputeRange(task, table, first, totals, scratch);
    if (!status.ok()) return status;
    for (size_t i = 0; i < n; ++i) {
      const Slot slot = first + static_cast<Slot>(i);
      if (totals[i] >= 0)
        cell_trees_[layout_->cell_of(slot)].leaves()[layout_->place_of(slot)] = totals[i];
    }
    return status;
  });
  if (!done.ok()) return done;
  for (MaxTree& tree : cell_trees_) tree.Rekey();
  has_tree_ = true;
  return absl::OkStatus();
}

int32_t ShapeColumns::Leaf(Slot slot) const {
  if (!by_cells_) return tree_.total(slot);
  const uint32_t cell = layout_->cell_of(slot);
  return cell == CellLayout::kNoCell ? -1 : cell_trees_[cell].total(layout_->place_of(slot));
}

void ShapeColumns::SetLeaf(Slot slot, int32_t total, std::span<const uint32_t> ranks) {
  if (!by_cells_) {
    tree_.Set(slot, total, ranks);
    return;
  }
  const uint32_t cell = layout_->cell_of(slot);
  if (cell == CellLayout::kNoCell) return;
  cell_trees_[cell].Set(layout_->place_of(slot), total, layout_->cells()[cell].ranks);
}

absl::Status ShapeColumns::Update(const TaskView& task, const state::NodeTable& table,
                                  std::span<const Slot> slots, ColumnScratch& scratch) {
  has_tree_ = false;
  const std::span<const uint32_t> ranks = table.rank();
  size_t count = 0;
  const auto flush = [&]() -> absl::Status {
    const std::span<const Slot> listed(scratch.listed.data(), count);
    const std::span<int32_t> totals(scratch.totals.data(), count);
    const std::span<uint64_t> words(scratch.listed_words.data(), WordsFor(count));
    SetAll(words, count);
    BERTH_RETURN_IF_ERROR(ComputeList(task, table, listed, words, totals, scratch));
    for (size_t i = 0; i < count; ++i) SetLeaf(listed[i], totals[i], ranks);
    count = 0;
    return absl::OkStatus();
  };
  for (const Slot slot : slots) {
    if (!static_nodes_.Test(slot)) {
      SetLeaf(slot, -1, ranks);
      continue;
    }
    scratch.listed[count++] = slot;
    if (!by_cells_) tree_.Prefetch(slot);
    if (count == kSlots) BERTH_RETURN_IF_ERROR(flush());
  }
  if (count > 0) BERTH_RETURN_IF_ERROR(flush());
  has_tree_ = true;
  return absl::OkStatus();
}

void ShapeColumns::Grow(size_t size) {
  static_nodes_.Resize(size);
  if (!static_totals_.empty()) static_totals_.resize(size, 0);
  tree_.Grow(size);
}

size_t ShapeColumns::bytes() const {
  size_t bytes = sizeof(*this) + static_nodes_.words().size_bytes() +
                 static_totals_.capacity() * sizeof(int32_t) + tree_.bytes();
  for (const MaxTree& tree : cell_trees_) bytes += sizeof(tree) + tree.bytes();
  return bytes;
}

// ---- what all of them say ----

absl::Status ShapeColumns::Judge(const TaskView& task, const NodeColumns& columns,
                                 std::span<const FilterPlugin* const> filters,
                                 std::span<const WeightedScore> scores,
                                 ColumnScratch& scratch) const {
  std::vector<Slot>& slots = scratch.candidates;
  scratch.candidate_words.resize(WordsFor(slots.size()));
  SetAll(scratch.candidate_words, slots.size());
  SlotMask mask(SlotSpan::List(slots), scratch.candidate_words);
  for (const FilterPlugin* filter : filters) {
    if (!mask.Any()) break;
    BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, columns, mask));
  }
  // Only those that are left are scored.
  size_t left = 0;
  mask.ForEach([&](size_t i, Slot slot) {
    slots[left] = slot;
    scratch.candidate_totals[left] = scratch.candidate_totals[i];
    if (!scratch.candidate_cells.empty())
      scratch.candidate_cells[left] = scratch.candidate_cells[i];
    ++left;
  });
  slots.resize(left);
  scratch.candidate_totals.resize(left);
  scratch.candidate_scores.resize(left);
  if (left == 0) return absl::OkStatus();
  for (const WeightedScore& score : scores) {
    BERTH_RETURN_IF_ERROR(AddScore(score, task, columns, SlotSpan::List(slots),
                                   scratch.candidate_scores, scratch.candidate_totals));
  }
  return absl::OkStatus();
}

absl::Status ShapeColumns::ChooseAmongCells(const TaskView& task, const NodeColumns& columns,
                                            ColumnScratch& scratch, Choice& choice) {
  scratch.candidates.clear();
  scratch.candidate_cells.clear();
  for (size_t c = 0; c < cell_trees_.size(); ++c) {
    if (cell_trees_[c].feasible() == 0) continue;
    scratch.candidates.push_back(layout_->cells()[c].slots.front());
    scratch.candidate_cells.push_back(static_cast<uint32_t>(c));
  }
  scratch.candidate_totals.assign(scratch.candidates.size(), 0);
  BERTH_RETURN_IF_ERROR(Judge(task, columns, choice_filters_, choice_scores_, scratch));
  for (size_t i = 0; i < scratch.candidates.size(); ++i) {
    const uint32_t cell = scratch.candidate_cells[i];
    MaxTree& tree = cell_trees_[cell];
    const int32_t more = scratch.candidate_totals[i];
    choice.feasible += tree.feasible();
    const int32_t most = TotalOf(tree.Bound()) + more;
    if (most < TotalOf(choice.two.second_key)) continue;
    const std::vector<Slot>& slots = layout_->cells()[cell].slots;
    const std::vector<uint32_t>& ranks = layout_->cells()[cell].ranks;
    BestTwo two;
    if (rotates_ties_) {
      const auto start = std::lower_bound(ranks.begin(), ranks.end(), ties_.start());
      two = tree.BestFrom(static_cast<size_t>(start - ranks.begin()), ranks);
    } else {
      two = tree.Best(ranks);
    }
    const auto offer = [&](Key key, Slot place) {
      choice.two.Offer(KeyOf(TotalOf(key) + more, ties_(ranks[place])), slots[place]);
    };
    offer(two.best_key, two.best);
    if (two.second == kNoSlot || BERTH_PLANTED(kSkipRunnerUp)) continue;
    offer(two.second_key, two.second);
  }
  return absl::OkStatus();
}

absl::Status ShapeColumns::ChooseAmongAll(const TaskView& task, const NodeColumns& columns,
                                          ColumnScratch& scratch, Choice& choice) {
  scratch.candidates.clear();
  scratch.candidate_cells.clear();
  scratch.candidate_totals.clear();
  const std::span<const int32_t> leaves = tree_.leaves();
  for (size_t slot = 0; slot < leaves.size(); ++slot) {
    if (leaves[slot] < 0) continue;
    scratch.candidates.push_back(static_cast<Slot>(slot));
    scratch.candidate_totals.push_back(leaves[slot]);
  }
  std::vector<const FilterPlugin*> filters = single_filters_;
  filters.insert(filters.end(), cluster_filters_.begin(), cluster_filters_.end());
  BERTH_RETURN_IF_ERROR(Judge(task, columns, filters, single_scores_, scratch));
  std::vector<std::vector<int32_t>> cluster;
  for (const WeightedScore& score : cluster_scores_) {
    BERTH_RETURN_IF_ERROR(AddScore(score, task, columns, SlotSpan::List(scratch.candidates),
                                   scratch.candidate_scores, scratch.candidate_totals));
    cluster.emplace_back(scratch.candidate_scores.begin(), scratch.candidate_scores.end());
  }
  for (size_t i = 0; i < scratch.candidates.size(); ++i) {
    const Slot slot = scratch.candidates[i];
    choice.two.Offer(KeyOf(scratch.candidate_totals[i], ties_(columns.rank()[slot])), slot);
  }
  choice.feasible = static_cast<int64_t>(scratch.candidates.size());
  if (choice.two.best == kNoSlot) return absl::OkStatus();
  const auto winner = static_cast<size_t>(
      std::lower_bound(scratch.candidates.begin(), scratch.candidates.end(), choice.two.best) -
      scratch.candidates.begin());
  for (size_t s = 0; s < cluster.size(); ++s) {
    choice.cluster_scores.emplace_back(cluster_scores_[s].plugin, cluster[s][winner]);
  }
  return absl::OkStatus();
}

absl::Status ShapeColumns::ChooseWithoutSparse(const TaskView& task, const NodeColumns& columns,
                                               ColumnScratch& scratch, Choice& choice) {
  if (by_cells_) return ChooseAmongCells(task, columns, scratch, choice);
  choice.two = tree_.Best(columns.rank());
  choice.feasible = tree_.feasible();
  return absl::OkStatus();
}

// The few are taken out of the trees, the best is chosen of the rest, and each of the few is judged
// beside it.
absl::Status ShapeColumns::ChooseWithSparse(const TaskView& task, const NodeColumns& columns,
                                            ColumnScratch& scratch, Choice& choice) {
  std::vector<Slot>& few = scratch.sparse_slots;
  few.clear();
  const auto append = [&](const Plugin& plugin) {
    return AppendSlots(dynamic_cast<const SparsePlugin&>(plugin), task, columns, few);
  };
  for (const FilterPlugin* filter : sparse_filters_) BERTH_RETURN_IF_ERROR(append(*filter));
  for (const WeightedScore& score : sparse_scores_) BERTH_RETURN_IF_ERROR(append(*score.plugin));
  std::sort(few.begin(), few.end());
  few.erase(std::unique(few.begin(), few.end()), few.end());
  std::erase_if(few, [&](Slot slot) { return Leaf(slot) < 0; });

  scratch.sparse_totals.clear();
  for (const Slot slot : few) {
    scratch.sparse_totals.push_back(Leaf(slot));
    SetLeaf(slot, -1, columns.rank());
  }
  const absl::Status done = ChooseWithoutSparse(task, columns, scratch, choice);
  for (size_t i = BERTH_PLANTED(kLoseSparseLeaf) ? 1 : 0; i < few.size(); ++i) {
    SetLeaf(few[i], scratch.sparse_totals[i], columns.rank());
  }
  if (!done.ok()) return done;

  scratch.candidates = few;
  scratch.candidate_cells.clear();
  scratch.candidate_totals.assign(scratch.sparse_totals.begin(), scratch.sparse_totals.end());
  BERTH_RETURN_IF_ERROR(Judge(task, columns, single_filters_, single_scores_, scratch));
  for (size_t i = 0; i < scratch.candidates.size(); ++i) {
    const Slot slot = scratch.candidates[i];
    choice.two.Offer(KeyOf(scratch.candidate_totals[i], ties_(columns.rank()[slot])), slot);
  }
  choice.feasible += static_cast<int64_t>(scratch.candidates.size());
  return absl::OkStatus();
}

absl::Status ShapeColumns::Choose(const TaskView& task, const state::NodeTable& table,
                                  ColumnScratch& scratch, Choice& choice) {
  if (layout_ != nullptr && !eligible_is_right_) FindEligible();
  TaskView view = task;
  if (layout_ != nullptr) view.eligible = this;
  slots_of_choice_ = 0;
  if (rotates_ties_) ties_ = TieBreak(table, task.key);
  const bool has_sparse = !sparse_filters_.empty() || !sparse_scores_.empty();
  const bool asks_all =
      !cluster_filters_.empty() || !cluster_scores_.empty() || (layout_ != nullptr && !by_cells_);
  if (asks_all) {
    BERTH_RETURN_IF_ERROR(ChooseAmongAll(view, table, scratch, choice));
  } else if (has_sparse) {
    BERTH_RETURN_IF_ERROR(ChooseWithSparse(view, table, scratch, choice));
  } else {
    BERTH_RETURN_IF_ERROR(ChooseWithoutSparse(view, table, scratch, choice));
  }
  if (asks_all || has_sparse || by_cells_) slots_of_choice_ = scratch.candidates.size();
  return absl::OkStatus();
}

}  // namespace berth::engine
