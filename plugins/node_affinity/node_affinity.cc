#include "node_affinity/node_affinity.h"

#include <algorithm>
#include <array>
#include <bit>

#include "berth/filter.h"
#include "berth/score.h"
#include "common/args_reader.h"
#include "common/exact_fraction.h"
#include "node_affinity/selector_match.h"

namespace berth::plugins {
namespace {

// Calls f(first, count) for runs of words that together make up a mask of `words` words.
template <typename F>
void ForEachRun(size_t words, F&& f) {
  for (size_t first = 0; first < words; first += kMatchWords) {
    f(first, std::min(kMatchWords, words - first));
  }
}

bool MatchesAny(const std::vector<LabelSelector>& selectors, const NodeColumns& columns,
                Slot slot) {
  return selectors.empty() ||
         std::any_of(selectors.begin(), selectors.end(), [&](const LabelSelector& selector) {
           return Matches(selector, columns, slot);
         });
}

class NodeAffinity final : public FilterPlugin, public ScorePlugin {
 public:
  std::string_view name() const override { return kNodeAffinity; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic; }

  absl::Status Filter(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                      NodeMask& feasible) const override {
    const TaskRequirements& needs = task.needs;
    if (slots.is_all()) {
      for (LabelId label : needs.node_selector) feasible.And(columns.with_label(label));
      if (!needs.required_nodes.empty()) KeepRequired(needs, columns, feasible);
    }
    for (Slot slot : slots.list()) {
      const bool selected =
          std::all_of(needs.node_selector.begin(), needs.node_selector.end(),
                      [&](LabelId label) { return columns.with_label(label).Test(slot); });
      if (!selected || !MatchesAny(needs.required_nodes, columns, slot)) feasible.Clear(slot);
    }
    return absl::OkStatus();
  }

  // Names, of the labels of the selector that the node lacks, the one that the fewest nodes have.
  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    const TaskRequirements& needs = task.needs;
    std::vector<LabelId> rarest_first = needs.node_selector;
    std::stable_sort(rarest_first.begin(), rarest_first.end(), [&](LabelId a, LabelId b) {
      return columns.with_label(a).Count() < columns.with_label(b).Count();
    });
    removed.ForEach([&](Slot slot) {
      const auto lacking =
          std::find_if(rarest_first.begin(), rarest_first.end(),
                       [&](LabelId label) { return !columns.with_label(label).Test(slot); });
      if (lacking != rarest_first.end()) {
        sink.Reject(slot, Reason::kNodeSelectorMismatch, lacking->value, 0, 0, 0,
                    /*permanent=*/true);
      } else if (!MatchesAny(needs.required_nodes, columns, slot)) {
        sink.Reject(slot, Reason::kNodeAffinityMismatch, 0, 0, 0, 0, /*permanent=*/true);
      }
    });
  }

  bool Skips(const TaskRequirements& needs) const override { return needs.preferred_nodes.empty(); }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    int64_t total = 0;
    for (const PreferredNodes& preferred : task.needs.preferred_nodes) total += preferred.weight;
    if (slots.is_all()) std::fill(scores.begin(), scores.end(), 0);
    for (Slot slot : slots.list()) scores[slot] = 0;
    int64_t before = 0;
    for (const PreferredNodes& preferred : task.needs.preferred_nodes) {
      const int32_t share = ScoreShare(before, preferred.weight, total);
      before += preferred.weight;
      if (slots.is_all()) AddPreferred(preferred.selector, columns, share, scores);
      for (Slot slot : slots.list()) {
        if (Matches(preferred.selector, columns, slot)) scores[slot] += share;
      }
    }
    return absl::OkStatus();
  }

 private:
  static void KeepRequired(const TaskRequirements& needs, const NodeColumns& columns,
                           NodeMask& feasible) {
    const std::span<uint64_t> words = feasible.mutable_words();
    ForEachRun(words.size(), [&](size_t first, size_t count) {
      std::array<uint64_t, kMatchWords> any{};
      std::array<uint64_t, kMatchWords> one;
      for (const LabelSelector& selector : needs.required_nodes) {
        MatchWords(selector, columns, first, {one.data(), count});
        for (size_t i = 0; i < count; ++i) any[i] |= one[i];
      }
      for (size_t i = 0; i < count; ++i) words[first + i] &= any[i];
    });
  }

  static void AddPreferred(const LabelSelector& selector, const NodeColumns& columns, int32_t share,
                           std::span<int32_t> scores) {
    ForEachRun(columns.live().words().size(), [&](size_t first, size_t count) {
      std::array<uint64_t, kMatchWords> matching;
      MatchWords(selector, columns, first, {matching.data(), count});
      for (size_t i = 0; i < count; ++i) {
        for (uint64_t w = matching[i]; w != 0; w &= w - 1) {
          scores[(first + i) * 64 + static_cast<size_t>(std::countr_zero(w))] += share;
        }
      }
    });
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeNodeAffinity(const PluginArgs& args,
                                                         PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<NodeAffinity>();
}

}  // namespace berth::plugins
