#include "engine/shape_columns.h"

#include <algorithm>

#include "base/status_macros.h"
#include "berth/vector_kernel.h"
#include "engine/run_plugins.h"

namespace berth::engine {
namespace {

constexpr size_t kSlots = ColumnScratch::kSlots;

// Of the slots of a range, the part from which on asking about all of them costs less than asking
// about a list.
constexpr int64_t kSparse = 8;

bool ReadsStaticAlone(Scope scope, Reads reads) {
  return scope == Scope::kNode && (reads & ~kReadsStatic) == 0;
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

template <typename F>
absl::Status ForEachPiece(size_t size, F&& f) {
  for (size_t begin = 0; begin < size; begin += kSlots) {
    BERTH_RETURN_IF_ERROR(f(begin, std::min(kSlots, size - begin)));
  }
  return absl::OkStatus();
}

}  // namespace

ShapeColumns::ShapeColumns(const PluginSet& plugins, const TaskRequirements& needs) {
  for (const FilterPlugin* filter : plugins.filters) {
    if (filter->PassesAll(needs)) continue;
    (ReadsStaticAlone(filter->scope(), filter->reads()) ? static_filters_ : filters_)
        .push_back(filter);
  }
  for (const WeightedScore& score : plugins.scores) {
    if (score.plugin->Skips(needs)) continue;
    (ReadsStaticAlone(score.plugin->scope(), score.plugin->reads()) ? static_scores_ : scores_)
        .push_back(score);
  }
}

// ---- what plugins say that read static columns alone ----

absl::Status ShapeColumns::SetStatic(const TaskView& task, const NodeColumns& columns,
                                     ColumnScratch& scratch) {
  DropStatic();
  const size_t size = columns.size();
  static_nodes_ = columns.live();
  static_totals_.assign(static_scores_.empty() ? 0 : size, 0);
  static_base_ = 0;
  const absl::Status done = ForEachPiece(size, [&](size_t begin, size_t n) -> absl::Status {
    const SlotSpan range = SlotSpan::Range(static_cast<Slot>(begin), n);
    SlotMask mask(range, static_nodes_.mutable_words().subspan(begin / 64, WordsFor(n)));
    for (const FilterPlugin* filter : static_filters_) {
      if (!mask.Any()) break;
      BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, columns, mask));
    }
    const std::span<int32_t> scores(scratch.scores.data(), n);
    for (const WeightedScore& score : static_scores_) {
      BERTH_RETURN_IF_ERROR(AddScore(score, task, columns, range, scores,
                                     std::span(static_totals_).subspan(begin, n)));
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
  has_static_ = true;
  return absl::OkStatus();
}

absl::Status ShapeColumns::UpdateStatic(const TaskView& task, const NodeColumns& columns,
                                        std::span<const Slot> slots, ColumnScratch& scratch) {
  const bool kept = has_static_;
  const bool kept_tree = has_tree_;
  DropStatic();
  const absl::Status done = ForEachPiece(slots.size(), [&](size_t begin, size_t n) -> absl::Status {
    const SlotSpan list = ListOf(slots.subspan(begin, n), scratch);
    const std::span<uint64_t> words(scratch.words.data(), WordsFor(n));
    std::fill(words.begin(), words.end(), 0);
    list.ForEach([&](size_t i, Slot slot) {
      words[i / 64] |= uint64_t{columns.live().Test(slot)} << (i % 64);
    });
    SlotMask mask(list, words);
    for (const FilterPlugin* filter : static_filters_) {
      BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, columns, mask));
    }
    list.ForEach([&](size_t i, Slot slot) { static_nodes_.Assign(slot, mask.Test(i)); });

    const std::span<int32_t> totals(scratch.totals.data(), n);
    std::fill(totals.begin(), totals.end(), 0);
    for (const WeightedScore& score : static_scores_) {
      BERTH_RETURN_IF_ERROR(
          AddScore(score, task, columns, list, {scratch.scores.data(), n}, totals));
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
  has_static_ = kept;
  has_tree_ = kept_tree;
  return absl::OkStatus();
}

// ---- what all of them say ----

absl::Status ShapeColumns::AddScores(const TaskView& task, const NodeColumns& columns,
                                     SlotSpan slots, std::span<int32_t> totals,
                                     ColumnScratch& scratch) const {
  const std::span<int32_t> scores(scratch.scores.data(), totals.size());
  for (const WeightedScore& score : scores_) {
    BERTH_RETURN_IF_ERROR(AddScore(score, task, columns, slots, scores, totals));
  }
  return absl::OkStatus();
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
  BERTH_RETURN_IF_ERROR(AddScores(task, columns, list, totals, scratch));
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
    BERTH_RETURN_IF_ERROR(AddScores(task, columns, mask.slots(), totals, scratch));
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
  const SlotSpan list = ListOf({scratch.listed.data(), count}, scratch);
  BERTH_RETURN_IF_ERROR(AddScores(task, columns, list, listed, scratch));
  for (size_t i = 0; i < count; ++i) totals[scratch.listed[i] - first] = listed[i];
  return absl::OkStatus();
}

absl::Status ShapeColumns::Rebuild(const TaskView& task, const NodeColumns& columns,
                                   ColumnScratch& scratch) {
  has_tree_ = false;
  const std::span<int32_t> leaves = tree_.leaves();
  BERTH_RETURN_IF_ERROR(ForEachPiece(leaves.size(), [&](size_t begin, size_t n) {
    return ComputeRange(task, columns, static_cast<Slot>(begin), leaves.subspan(begin, n), scratch);
  }));
  tree_.Rekey();
  has_tree_ = true;
  return absl::OkStatus();
}

absl::Status ShapeColumns::Update(const TaskView& task, const NodeColumns& columns,
                                  std::span<const Slot> slots, ColumnScratch& scratch) {
  has_tree_ = false;
  const std::span<const uint32_t> ranks = columns.rank();
  size_t count = 0;
  const auto flush = [&]() -> absl::Status {
    const std::span<const Slot> listed(scratch.listed.data(), count);
    const std::span<int32_t> totals(scratch.totals.data(), count);
    const std::span<uint64_t> words(scratch.listed_words.data(), WordsFor(count));
    std::fill(words.begin(), words.end(), ~uint64_t{0});
    if (count % 64 != 0) words.back() = (uint64_t{1} << (count % 64)) - 1;
    BERTH_RETURN_IF_ERROR(ComputeList(task, columns, listed, words, totals, scratch));
    for (size_t i = 0; i < count; ++i) tree_.Set(listed[i], totals[i], ranks);
    count = 0;
    return absl::OkStatus();
  };
  for (const Slot slot : slots) {
    if (!static_nodes_.Test(slot)) {
      tree_.Set(slot, -1, ranks);
      continue;
    }
    scratch.listed[count++] = slot;
    tree_.Prefetch(slot);
    if (count == kSlots) BERTH_RETURN_IF_ERROR(flush());
  }
  if (count > 0) BERTH_RETURN_IF_ERROR(flush());
  has_tree_ = true;
  return absl::OkStatus();
}

void ShapeColumns::Grow(size_t size) {
  if (static_nodes_.size() >= size && tree_.size() >= size) return;
  static_nodes_.Resize(size);
  if (!static_totals_.empty()) static_totals_.resize(size, 0);
  tree_.Grow(size);
}

size_t ShapeColumns::bytes() const {
  return sizeof(*this) + static_nodes_.words().size_bytes() +
         static_totals_.capacity() * sizeof(int32_t) + tree_.bytes();
}

}  // namespace berth::engine
