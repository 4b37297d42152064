#include "network_latency/network_latency.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "berth/score.h"
#include "common/args_reader.h"
#include "common/exact_fraction.h"
#include "common/near_rules.h"

namespace berth::plugins {
namespace {

// One rule over nodes.
class NearRule {
 public:
  NearRule(const NodeColumns& columns, const TermUse& term)
      : columns_(columns),
        term_(term),
        domains_(columns.domains(term.key)),
        counts_(columns.counts(term.counter)),
        in_all_(columns.count_in_all(term.counter)) {}

  // Of the rule's share.
  int32_t Part(Slot slot, int64_t share) const {
    const int32_t domain = domains_[slot];
    if (domain == kNoDomain || in_all_ == 0) return 0;
    const std::span<const int32_t> row = columns_.nearness(term_.key, domain);
    const int64_t nearness =
        term_.kind == TermKind::kNearData ? Nearest(row, domain) : SumOfAll(row, domain) / in_all_;
    return static_cast<int32_t>(share * nearness / kScale);
  }

 private:
  // Fixed point: an average of few steps would else be cut to one of them.
  static constexpr int64_t kUnit = 1 << 10;
  static constexpr int64_t kScale = kMaxNearness * kUnit;

  int64_t Nearest(std::span<const int32_t> row, int32_t domain) const {
    // Of itself too nothing may be known.
    int32_t nearest = row.empty() && CountIn(domain) > 0 ? kMaxNearness : 0;
    for (size_t other = 0; other < std::min(row.size(), counts_.size()); ++other) {
      nearest = std::max(nearest, counts_[other] > 0 ? row[other] : 0);
    }
    return nearest * kUnit;
  }
  int64_t SumOfAll(std::span<const int32_t> row, int32_t domain) const {
    int64_t sum = row.empty() ? int64_t{kMaxNearness} * CountIn(domain) : 0;
    for (size_t other = 0; other < std::min(row.size(), counts_.size()); ++other) {
      sum += int64_t{counts_[other]} * row[other];
    }
    return sum * kUnit;
  }
  int32_t CountIn(int32_t domain) const { return counts_[static_cast<size_t>(domain)]; }

  const NodeColumns& columns_;
  const TermUse& term_;
  std::span<const int32_t> domains_, counts_;
  int64_t in_all_;
};

class NetworkLatency final : public ScorePlugin, public DomainPlugin {
 public:
  std::string_view name() const override { return kNetworkLatency; }
  Scope scope() const override { return Scope::kDomain; }
  Reads reads() const override { return kReadsStatic | kReadsTerms; }

  void AppendKeys(const TaskRequirements& needs, std::vector<DomainKey>& keys) const override {
    for (const TermUse& term : needs.terms) {
      if (IsNear(term)) keys.push_back({term.key, /*required=*/false});
    }
  }
  // What it is near to lies in other domains.
  bool IsLocal(const TaskRequirements& needs) const override {
    (void)needs;
    return false;
  }

  bool Skips(const TaskRequirements& needs) const override { return !HasNearRule(needs); }
  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    int64_t total = 0;
    for (const TermUse& term : task.needs.terms) total += IsNear(term) ? term.weight : 0;
    std::fill(scores.begin(), scores.end(), 0);
    int64_t before = 0;
    for (const TermUse& term : task.needs.terms) {
      if (!IsNear(term)) continue;
      const int64_t share = ScoreShare(before, term.weight, total);
      before += term.weight;
      const NearRule judge(columns, term);
      slots.ForEach([&](size_t i, Slot slot) { scores[i] += judge.Part(slot, share); });
    }
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeNetworkLatency(const PluginArgs& args,
                                                           PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<NetworkLatency>();
}

}  // namespace berth::plugins
