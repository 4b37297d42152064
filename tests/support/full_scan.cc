#include "tests/support/full_scan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "engine/tie_break.h"

namespace berth::testing {
namespace {

// Domains with a node that passes every filter which reads static columns alone, and that has every
// label which some plugin requires.
class EligibleByScan final : public EligibleDomains {
 public:
  absl::Status Find(const engine::PluginSet& plugins, const TaskView& task,
                    const NodeColumns& columns) {
    NodeMask nodes = columns.live();
    std::vector<DomainKey> keys;
    const auto append = [&](const Plugin& plugin) {
      dynamic_cast<const DomainPlugin&>(plugin).AppendKeys(task.needs, keys);
    };
    for (const FilterPlugin* filter : plugins.filters) {
      if (filter->scope() == Scope::kDomain && !filter->PassesAll(task.needs)) append(*filter);
      if (filter->scope() != Scope::kNode || filter->reads() != kReadsStatic) continue;
      SlotMask mask(SlotSpan::All(columns.size()), nodes.mutable_words());
      BERTH_RETURN_IF_ERROR(filter->Filter(task, columns, mask));
    }
    for (const engine::WeightedScore& score : plugins.scores) {
      if (score.ScoresNodes(task.needs) && score.plugin->scope() == Scope::kDomain) {
        append(*score.plugin);
      }
    }
    for (const DomainKey& key : keys) {
      if (key.required) nodes.And(columns.with_key(key.key));
    }
    for (const DomainKey& key : keys) {
      std::set<int32_t> domains;
      nodes.ForEach([&](Slot slot) {
        const int32_t domain = columns.domains(key.key)[slot];
        if (domain != kNoDomain) domains.insert(domain);
      });
      domains_[key.key].assign(domains.begin(), domains.end());
    }
    return absl::OkStatus();
  }
  std::span<const int32_t> Of(KeyId key) const override {
    const auto it = domains_.find(key);
    return it == domains_.end() ? std::span<const int32_t>() : it->second;
  }

 private:
  std::map<KeyId, std::vector<int32_t>> domains_;
};

// What the device plugins say of one node.
struct NodeDevices {
  std::vector<int64_t> scores;    // by plugin of the set; 0 of those that do not score devices
  std::vector<uint16_t> devices;  // need after need
};

// Of each need the set with the largest weighted sum, the first of those that have it.
absl::StatusOr<NodeDevices> BestDevices(const engine::PluginSet& plugins, const TaskView& task,
                                        const NodeColumns& columns, Slot slot) {
  NodeDevices node;
  node.scores.assign(plugins.scores.size(), 0);
  bool asked = false;
  for (const DeviceNeed& need : task.needs.devices) {
    DeviceSets sets;
    sets.Find(need, columns.devices(slot));
    std::vector<std::vector<int32_t>> scores(plugins.scores.size());
    std::vector<int64_t> sums(sets.size(), 0);
    for (size_t i = 0; i < plugins.scores.size(); ++i) {
      scores[i].assign(sets.size(), 0);
      if (!plugins.scores[i].ScoresSets(task.needs)) continue;
      asked = true;
      BERTH_RETURN_IF_ERROR(
          plugins.scores[i].of_devices->ScoreSets(task, columns, slot, need, sets, scores[i]));
      for (size_t set = 0; set < sets.size(); ++set) {
        sums[set] += int64_t{scores[i][set]} * plugins.scores[i].weight;
      }
    }
    const auto best =
        static_cast<size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
    for (size_t i = 0; i < scores.size(); ++i) node.scores[i] += scores[i][best];
    node.devices.insert(node.devices.end(), sets[best].begin(), sets[best].end());
  }
  for (int64_t& score : node.scores) {
    score /= std::max<int64_t>(1, static_cast<int64_t>(task.needs.devices.size()));
  }
  if (!asked) node.devices.clear();
  return node;
}

}  // namespace

absl::StatusOr<engine::Placement> PlaceByFullScan(const engine::PluginSet& plugins,
                                                  const TaskView& asked,
                                                  const state::NodeTable& columns) {
  EligibleByScan eligible;
  BERTH_RETURN_IF_ERROR(eligible.Find(plugins, asked, columns));
  TaskView task = asked;
  task.eligible = &eligible;
  const SlotSpan all = SlotSpan::All(columns.size());
  NodeMask feasible = columns.live();
  for (const FilterPlugin* filter : plugins.filters) {
    SlotMask mask(all, feasible.mutable_words());
    BERTH_RETURN_IF_ERROR(filter->Filter(task, columns, mask));
  }
  std::vector<std::vector<int32_t>> scores;
  for (const engine::WeightedScore& score : plugins.scores) {
    scores.emplace_back(columns.size(), 0);
    if (!score.ScoresNodes(task.needs)) continue;
    if (score.plugin->scope() != Scope::kCluster) {
      BERTH_RETURN_IF_ERROR(score.plugin->Score(task, columns, all, scores.back()));
      continue;
    }
    // Asked about those that fit, and no others.
    std::vector<Slot> fit;
    feasible.ForEach([&](Slot slot) { fit.push_back(slot); });
    std::vector<int32_t> of_fit(fit.size());
    BERTH_RETURN_IF_ERROR(score.plugin->Score(task, columns, SlotSpan::List(fit), of_fit));
    for (size_t i = 0; i < fit.size(); ++i) scores.back()[fit[i]] = of_fit[i];
  }
  std::map<Slot, std::vector<uint16_t>> chosen;
  absl::Status scored;
  feasible.ForEach([&](Slot slot) {
    auto devices = BestDevices(plugins, task, columns, slot);
    if (!devices.ok()) {
      scored = devices.status();
      return;
    }
    for (size_t i = 0; i < scores.size(); ++i) {
      scores[i][slot] += static_cast<int32_t>(devices->scores[i]);
    }
    chosen[slot] = std::move(devices->devices);
  });
  if (!scored.ok()) return scored;

  engine::Placement placement;
  placement.nodes_feasible = feasible.Count();
  const auto total = [&](Slot slot) {
    int64_t sum = 0;
    for (size_t i = 0; i < scores.size(); ++i) {
      sum += int64_t{scores[i][slot]} * plugins.scores[i].weight;
    }
    return sum;
  };
  engine::TieBreak ties;
  if (plugins.rotates_ties) ties = engine::TieBreak(columns, asked.key);
  const auto better = [&](Slot a, Slot b) {
    if (b == kNoSlot || total(a) != total(b)) return b == kNoSlot || total(a) > total(b);
    return ties(columns.rank()[a]) < ties(columns.rank()[b]);
  };
  feasible.ForEach([&](Slot slot) {
    if (better(slot, placement.slot)) {
      placement.runner_up = placement.slot;
      placement.slot = slot;
    } else if (better(slot, placement.runner_up)) {
      placement.runner_up = slot;
    }
  });
  if (placement.slot == kNoSlot) return placement;
  placement.total = total(placement.slot);
  if (placement.runner_up != kNoSlot) placement.runner_up_total = total(placement.runner_up);
  for (size_t i = 0; i < scores.size(); ++i) {
    placement.plugin_scores[i] = scores[i][placement.slot];
  }
  task.chosen_devices = chosen[placement.slot];
  for (const ReservePlugin* reserve : plugins.reserves) {
    BERTH_RETURN_IF_ERROR(reserve->Reserve(task, columns, placement.slot, placement.reservation));
  }
  return placement;
}

}  // namespace berth::testing
