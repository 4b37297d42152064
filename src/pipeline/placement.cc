#include "pipeline/placement.h"

#include <algorithm>
#include <bit>
#include <string>

#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/vector_kernel.h"

namespace berth::pipeline {
namespace {

absl::Status OfPlugin(const Plugin& plugin, const char* point, const absl::Status& status) {
  return absl::Status(status.code(), "plugin \"" + std::string(plugin.name()) + "\" cannot " +
                                         point + ": " + base::S(status.message()));
}

BERTH_VECTOR_KERNEL void AddWeighted(const int32_t* __restrict scores, int32_t weight,
                                     int64_t* __restrict totals, size_t n) {
  for (size_t i = 0; i < n; ++i) totals[i] += int64_t{scores[i]} * weight;
}

// Total and rank as one number, so that the best node is the largest: more total first, then less
// rank. Totals are below 2^31 (kMaxScorePlugins) and ranks too (they number the slots of a table).
[[gnu::always_inline]] inline int64_t KeyOf(int64_t total, uint32_t rank) {
  return (total << 31) | (int64_t{INT32_MAX} - rank);
}

// The largest key of those of 64 nodes whose bit is set in `members`.
BERTH_VECTOR_KERNEL int64_t LargestKey(uint64_t members, const int64_t* totals,
                                       const uint32_t* ranks) {
  int64_t largest = -1;
  for (size_t i = 0; i < 64; ++i) {
    const int64_t member = -static_cast<int64_t>((members >> i) & 1);  // all bits or none
    largest = std::max(largest, (KeyOf(totals[i], ranks[i]) & member) | ~member);
  }
  return largest;
}

// The two nodes with the largest keys.
struct BestTwo {
  int64_t best_key = -1;
  int64_t second_key = -1;
  Slot best = kNoSlot;
  Slot second = kNoSlot;

  void Offer(Slot slot, int64_t key) {
    if (key <= second_key) return;
    if (key > best_key) {
      second_key = best_key;
      second = best;
      best_key = key;
      best = slot;
    } else {
      second_key = key;
      second = slot;
    }
  }
};

// 64 nodes at a time: most words hold nothing better than what is known, which one vectorised pass
// over them shows. The last word may end before its 64th slot, and is looked at one by one.
BestTwo ChooseTwo(const NodeMask& feasible, const std::vector<int64_t>& totals,
                  std::span<const uint32_t> ranks) {
  BestTwo two;
  const std::span<const uint64_t> words = feasible.words();
  for (size_t w = 0; w < words.size(); ++w) {
    if (words[w] == 0) continue;
    const size_t first = w * 64;
    if (first + 64 <= totals.size() &&
        LargestKey(words[w], &totals[first], &ranks[first]) <= two.second_key) {
      continue;
    }
    for (uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
      const auto slot = static_cast<Slot>(first + static_cast<size_t>(std::countr_zero(bits)));
      two.Offer(slot, KeyOf(totals[slot], ranks[slot]));
    }
  }
  return two;
}

}  // namespace

void PlacementScratch::Resize(size_t size) {
  if (feasible.size() == size) return;
  feasible.Resize(size);
  scores.resize(size);
  totals.resize(size);
}

absl::Status RunFilter(const FilterPlugin& filter, const TaskView& task, const NodeColumns& columns,
                       NodeMask& feasible) {
  const absl::Status status = filter.Filter(task, columns, SlotSpan::All(columns.size()), feasible);
  return status.ok() ? status : OfPlugin(filter, "filter", status);
}

absl::Status RunFilters(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                        NodeMask& feasible) {
  for (const FilterPlugin* filter : profile.filters()) {
    if (!feasible.Any()) return absl::OkStatus();
    BERTH_RETURN_IF_ERROR(RunFilter(*filter, task, columns, feasible));
  }
  return absl::OkStatus();
}

absl::Status RunScores(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                       PlacementScratch& scratch) {
  const SlotSpan all = SlotSpan::All(columns.size());
  std::fill(scratch.totals.begin(), scratch.totals.end(), 0);
  for (const WeightedScore& score : profile.scores()) {
    if (score.plugin->Skips(task.needs)) continue;
    const absl::Status status = score.plugin->Score(task, columns, all, scratch.scores);
    if (!status.ok()) return OfPlugin(*score.plugin, "score", status);
    AddWeighted(scratch.scores.data(), score.weight, scratch.totals.data(), scratch.totals.size());
  }
  return absl::OkStatus();
}

absl::Status ScoreSlot(const Profile& profile, const TaskView& task, const NodeColumns& columns,
                       Slot slot, PlacementScratch& scratch, std::span<int32_t> scores) {
  const SlotSpan one = SlotSpan::List({&slot, 1});
  for (size_t i = 0; i < profile.scores().size(); ++i) {
    const ScorePlugin& plugin = *profile.scores()[i].plugin;
    scores[i] = 0;
    if (plugin.Skips(task.needs)) continue;
    const absl::Status status = plugin.Score(task, columns, one, scratch.scores);
    if (!status.ok()) return OfPlugin(plugin, "score", status);
    scores[i] = scratch.scores[slot];
  }
  return absl::OkStatus();
}

absl::StatusOr<Placement> Place(const Profile& profile, const TaskView& task,
                                const NodeColumns& columns, PlacementScratch& scratch) {
  scratch.Resize(columns.size());
  scratch.feasible = columns.live();
  BERTH_RETURN_IF_ERROR(RunFilters(profile, task, columns, scratch.feasible));

  Placement placement;
  placement.nodes_feasible = scratch.feasible.Count();
  if (placement.nodes_feasible == 0) return placement;
  BERTH_RETURN_IF_ERROR(RunScores(profile, task, columns, scratch));

  const BestTwo two = ChooseTwo(scratch.feasible, scratch.totals, columns.rank());
  if (two.best == kNoSlot) {
    return absl::InternalError("profile \"" + profile.name() +
                               "\": a plugin gave a score that is not from 0 to " +
                               std::to_string(kMaxScore));
  }
  placement.slot = two.best;
  placement.total = scratch.totals[two.best];
  if (two.second != kNoSlot) {
    placement.runner_up = two.second;
    placement.runner_up_total = scratch.totals[two.second];
  }
  BERTH_RETURN_IF_ERROR(
      ScoreSlot(profile, task, columns, two.best, scratch, placement.plugin_scores));
  for (const ReservePlugin* reserve : profile.reserves()) {
    const absl::Status status = reserve->Reserve(task, columns, two.best, placement.reservation);
    if (!status.ok()) return OfPlugin(*reserve, "reserve", status);
  }
  return placement;
}

int64_t WorkUnits(const Profile& profile, const NodeColumns& columns) {
  // A filter passes over about one column; a score writes one and its total is added up; the choice
  // reads totals and ranks.
  const size_t passes = profile.filters().size() + 2 * profile.scores().size() + 2;
  return std::max<int64_t>(1, static_cast<int64_t>(columns.size() * passes));
}

}  // namespace berth::pipeline
