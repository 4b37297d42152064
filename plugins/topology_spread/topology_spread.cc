#include "topology_spread/topology_spread.h"

#include <algorithm>
#include <limits>

#include "berth/filter.h"
#include "berth/score.h"
#include "common/args_reader.h"
#include "common/exact_fraction.h"

namespace berth::plugins {
namespace {

bool IsRule(const TermUse& term, bool required) {
  return term.kind == TermKind::kSpread && (term.weight == 0) == required;
}

// What the eligible domain with the fewest tasks has.
int32_t Fewest(const TaskView& task, const TermUse& term, std::span<const int32_t> counts) {
  if (task.eligible == nullptr) {
    return counts.empty() ? 0 : *std::min_element(counts.begin(), counts.end());
  }
  const std::span<const int32_t> eligible = task.eligible->Of(term.key);
  if (eligible.empty()) return 0;
  int32_t fewest = std::numeric_limits<int32_t>::max();
  for (const int32_t domain : eligible) {
    fewest = std::min(fewest, counts[static_cast<size_t>(domain)]);
  }
  return fewest;
}

class TopologySpread final : public FilterPlugin, public ScorePlugin, public DomainPlugin {
 public:
  std::string_view name() const override { return kTopologySpread; }
  Scope scope() const override { return Scope::kDomain; }
  Reads reads() const override { return kReadsStatic | kReadsTerms; }

  void AppendKeys(const TaskRequirements& needs, std::vector<DomainKey>& keys) const override {
    for (const TermUse& term : needs.terms) {
      if (term.kind == TermKind::kSpread) keys.push_back({term.key, term.weight == 0});
    }
  }
  // What the others have decides what a domain may have.
  bool IsLocal(const TaskRequirements& needs) const override {
    (void)needs;
    return false;
  }

  bool PassesAll(const TaskRequirements& needs) const override {
    return std::none_of(needs.terms.begin(), needs.terms.end(),
                        [](const TermUse& term) { return IsRule(term, /*required=*/true); });
  }
  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    for (const TermUse& term : task.needs.terms) {
      if (!IsRule(term, /*required=*/true)) continue;
      const Judge judge(task, columns, term);
      feasible.ForEach([&](size_t i, Slot slot) {
        if (judge.Excess(slot) > 0) feasible.Clear(i);
      });
    }
    return absl::OkStatus();
  }

  // Of several rules that a node breaks, one is named whose label it lacks, since that is for good,
  // else the first.
  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    NodeMask left = removed;
    for (const bool lacks_label : {true, false}) {
      for (const TermUse& term : task.needs.terms) {
        if (!IsRule(term, /*required=*/true)) continue;
        const Judge judge(task, columns, term);
        removed.ForEach([&](Slot slot) {
          const bool is_named = (judge.Domain(slot) == kNoDomain) == lacks_label;
          if (!left.Test(slot) || !is_named || judge.Excess(slot) <= 0) return;
          left.Clear(slot);
          sink.Reject(slot, lacks_label ? Reason::kTopologyLabelMissing : Reason::kSpreadSkew,
                      term.key.value, 0, 0, 0, /*permanent=*/lacks_label);
        });
      }
    }
  }

  bool Skips(const TaskRequirements& needs) const override {
    return std::none_of(needs.terms.begin(), needs.terms.end(),
                        [](const TermUse& term) { return IsRule(term, /*required=*/false); });
  }
  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    int64_t total = 0;
    for (const TermUse& term : task.needs.terms) {
      if (IsRule(term, /*required=*/false)) total += term.weight;
    }
    std::fill(scores.begin(), scores.end(), 0);
    int64_t before = 0;
    for (const TermUse& term : task.needs.terms) {
      if (!IsRule(term, /*required=*/false)) continue;
      const int64_t share = ScoreShare(before, term.weight, total);
      before += term.weight;
      const std::span<const int32_t> domains = columns.domains(term.key);
      const std::span<const int32_t> counts = columns.counts(term.counter);
      const int32_t fewest = Fewest(task, term, counts);
      slots.ForEach([&](size_t i, Slot slot) {
        if (domains[slot] == kNoDomain) return;
        const int64_t more = std::max(0, counts[static_cast<size_t>(domains[slot])] - fewest);
        scores[i] += static_cast<int32_t>(share * term.max_skew / (term.max_skew + more));
      });
    }
    return absl::OkStatus();
  }

 private:
  // One required rule over nodes.
  class Judge {
   public:
    Judge(const TaskView& task, const NodeColumns& columns, const TermUse& term)
        : domains_(columns.domains(term.key)),
          counts_(columns.counts(term.counter)),
          most_(Fewest(task, term, counts_) + term.max_skew - (term.counts_itself ? 1 : 0)) {}

    int32_t Domain(Slot slot) const { return domains_[slot]; }
    // By how much the node's domain has too many already; without the label, too many in any case.
    int32_t Excess(Slot slot) const {
      const int32_t domain = domains_[slot];
      return domain == kNoDomain ? 1 : counts_[static_cast<size_t>(domain)] - most_;
    }

   private:
    std::span<const int32_t> domains_, counts_;
    int32_t most_;
  };
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeTopologySpread(const PluginArgs& args,
                                                           PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<TopologySpread>();
}

}  // namespace berth::plugins
