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

// Calls f(position, matches) for runs of at most kMatchWords words of a range: `position` is that
// of a run's first slot.
template <typename F>
void ForEachRun(const LabelSelector& selector, const NodeColumns& columns, SlotSpan range, F&& f) {
  const size_t words = WordsFor(range.size());
  std::array<uint64_t, kMatchWords> matching;
  for (size_t first = 0; first < words; first += kMatchWords) {
    const std::span<uint64_t> run(matching.data(), std::min(kMatchWords, words - first));
    MatchWords(selector, columns, range.first() / 64 + first, run);
    f(first * 64, run);
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

  bool PassesAll(const TaskRequirements& needs) const override {
    return needs.node_selector.empty() && needs.required_nodes.empty();
  }
  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    const TaskRequirements& needs = task.needs;
    for (LabelId label : needs.node_selector) feasible.And(columns.with_label(label));
    if (needs.required_nodes.empty()) return absl::OkStatus();
    if (feasible.slots().is_range()) {
      KeepRequired(needs, columns, feasible);
    } else {
      feasible.ForEach([&](size_t i, Slot slot) {
        if (!MatchesAny(needs.required_nodes, columns, slot)) feasible.Clear(i);
      });
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
    std::fill(scores.begin(), scores.end(), 0);
    int64_t before = 0;
    for (const PreferredNodes& preferred : task.needs.preferred_nodes) {
      const int32_t share = ScoreShare(before, preferred.weight, total);
      before += preferred.weight;
      if (slots.is_range()) {
        AddPreferred(preferred.selector, columns, share, slots, scores);
      } else {
        slots.ForEach([&](size_t i, Slot slot) {
          if (Matches(preferred.selector, columns, slot)) scores[i] += share;
        });
      }
    }
    return absl::OkStatus();
  }

 private:
  // A word at a time: a node stays when one of the selectors matches it.
  static void KeepRequired(const TaskRequirements& needs, const NodeColumns& columns,
                           SlotMask& feasible) {
    const SlotSpan range = feasible.slots();
    for (size_t begin = 0; begin < range.size(); begin += kMatchWords * 64) {
      const SlotSpan part = SlotSpan::Range(range.first() + static_cast<Slot>(begin),
                                            std::min(kMatchWords * 64, range.size() - begin));
      std::array<uint64_t, kMatchWords> any{};
      for (const LabelSelector& selector : needs.required_nodes) {
        ForEachRun(selector, columns, part, [&](size_t, std::span<const uint64_t> run) {
          for (size_t i = 0; i < run.size(); ++i) any[i] |= run[i];
        });
      }
      const std::span<uint64_t> words = feasible.words().subspan(begin / 64, WordsFor(part.size()));
      for (size_t i = 0; i < words.size(); ++i) words[i] &= any[i];
    }
  }

  static void AddPreferred(const LabelSelector& selector, const NodeColumns& columns, int32_t share,
                           SlotSpan range, std::span<int32_t> scores) {
    ForEachRun(selector, columns, range, [&](size_t begin, std::span<const uint64_t> run) {
      for (size_t i = 0; i < run.size(); ++i) {
        for (uint64_t bits = run[i]; bits != 0; bits &= bits - 1) {
          const size_t position = begin + i * 64 + static_cast<size_t>(std::countr_zero(bits));
          if (position < scores.size()) scores[position] += share;
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
