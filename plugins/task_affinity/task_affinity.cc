#include "task_affinity/task_affinity.h"

#include <algorithm>

#include "berth/filter.h"
#include "berth/score.h"
#include "common/args_reader.h"
#include "common/exact_fraction.h"

namespace berth::plugins {
namespace {

// Calls f(term) for the task's rules of affinity and anti-affinity, and those of others against it.
template <typename F>
void ForEachRule(const TaskRequirements& needs, F&& f) {
  for (const std::vector<TermUse>* terms : {&needs.terms, &needs.others_terms}) {
    for (const TermUse& term : *terms) {
      if (term.kind == TermKind::kAffinity || term.kind == TermKind::kAntiAffinity) f(term);
    }
  }
}

bool HasRule(const TaskRequirements& needs, bool required) {
  bool found = false;
  ForEachRule(needs, [&](const TermUse& term) { found |= (term.weight == 0) == required; });
  return found;
}

// One rule over nodes.
class Judge {
 public:
  Judge(const NodeColumns& columns, const TermUse& term)
      : domains_(columns.domains(term.key)),
        counts_(columns.counts(term.counter)),
        attracts_(term.kind == TermKind::kAffinity),
        is_first_(attracts_ && term.counts_itself && columns.count_in_all(term.counter) == 0) {}

  bool HasLabel(Slot slot) const { return domains_[slot] != kNoDomain; }
  int64_t Count(Slot slot) const {
    return HasLabel(slot) ? counts_[static_cast<size_t>(domains_[slot])] : 0;
  }
  bool Allows(Slot slot) const {
    return attracts_ ? HasLabel(slot) && (is_first_ || Count(slot) > 0) : Count(slot) == 0;
  }
  int32_t Part(Slot slot, int64_t share) const {
    const int64_t count = Count(slot);
    return static_cast<int32_t>(share * (attracts_ ? count : 1) / (count + 1));
  }
  bool attracts() const { return attracts_; }

 private:
  std::span<const int32_t> domains_, counts_;
  bool attracts_;
  bool is_first_;
};

class TaskAffinity final : public FilterPlugin, public ScorePlugin, public DomainPlugin {
 public:
  std::string_view name() const override { return kTaskAffinity; }
  Scope scope() const override { return Scope::kDomain; }
  Reads reads() const override { return kReadsStatic | kReadsTerms; }

  void AppendKeys(const TaskRequirements& needs, std::vector<DomainKey>& keys) const override {
    ForEachRule(needs, [&](const TermUse& term) {
      keys.push_back({term.key, term.weight == 0 && term.kind == TermKind::kAffinity});
    });
  }
  // Whether a task is the first of its rule is known only from all domains.
  bool IsLocal(const TaskRequirements& needs) const override {
    return std::none_of(needs.terms.begin(), needs.terms.end(), [](const TermUse& term) {
      return term.kind == TermKind::kAffinity && term.weight == 0 && term.counts_itself;
    });
  }

  bool PassesAll(const TaskRequirements& needs) const override {
    return !HasRule(needs, /*required=*/true);
  }
  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    ForEachRule(task.needs, [&](const TermUse& term) {
      if (term.weight != 0) return;
      const Judge judge(columns, term);
      feasible.ForEach([&](size_t i, Slot slot) {
        if (!judge.Allows(slot)) feasible.Clear(i);
      });
    });
    return absl::OkStatus();
  }

  // Of several rules that a node breaks, one is named whose label it lacks, since that is for good,
  // else the first.
  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    NodeMask left = removed;
    for (const bool lacks_label : {true, false}) {
      ForEachRule(task.needs, [&](const TermUse& term) {
        if (term.weight != 0) return;
        const Judge judge(columns, term);
        removed.ForEach([&](Slot slot) {
          if (!left.Test(slot) || judge.HasLabel(slot) == lacks_label || judge.Allows(slot)) return;
          left.Clear(slot);
          const Reason broken = judge.attracts() ? Reason::kAffinityUnmet : Reason::kAntiAffinity;
          sink.Reject(slot, lacks_label ? Reason::kTopologyLabelMissing : broken, term.key.value, 0,
                      0, 0, /*permanent=*/lacks_label);
        });
      });
    }
  }

  bool Skips(const TaskRequirements& needs) const override {
    return !HasRule(needs, /*required=*/false);
  }
  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    int64_t total = 0;
    ForEachRule(task.needs, [&](const TermUse& term) { total += term.weight; });
    std::fill(scores.begin(), scores.end(), 0);
    int64_t before = 0;
    ForEachRule(task.needs, [&](const TermUse& term) {
      if (term.weight == 0) return;
      const int64_t share = ScoreShare(before, term.weight, total);
      before += term.weight;
      const Judge judge(columns, term);
      slots.ForEach([&](size_t i, Slot slot) { scores[i] += judge.Part(slot, share); });
    });
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeTaskAffinity(const PluginArgs& args,
                                                         PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<TaskAffinity>();
}

}  // namespace berth::plugins
