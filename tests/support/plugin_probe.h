// One plugin under test, on a cluster of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "berth/device_score.h"
#include "berth/filter.h"
#include "berth/plugin_args.h"
#include "berth/reserve.h"
#include "berth/score.h"
#include "builtin.h"
#include "pipeline/table_context.h"
#include "tests/support/cluster.h"

namespace berth::testing {

// A Reject call, with names.
struct SeenRejection {
  std::string node;
  Reason reason = Reason::kNone;
  uint32_t subject = 0;
  int64_t requested = 0;
  int64_t free = 0;
  int64_t capacity = 0;
  bool permanent = false;

  bool operator==(const SeenRejection&) const = default;
};

// Collects rejections in the order in which they come.
class RecordingSink final : public RejectionSink {
 public:
  explicit RecordingSink(const Cluster& cluster) : cluster_(cluster) {}
  void Reject(Slot slot, Reason reason, uint32_t subject, int64_t requested, int64_t free,
              int64_t capacity, bool permanent) override {
    seen.push_back({cluster_.NameOf(slot), reason, subject, requested, free, capacity, permanent});
  }
  std::vector<SeenRejection> seen;

 private:
  const Cluster& cluster_;
};

inline absl::StatusOr<std::unique_ptr<Plugin>> MakeBuiltin(std::string_view name,
                                                           const PluginArgs& args,
                                                           state::Names& names,
                                                           const state::TaskMix* mix = nullptr) {
  pipeline::TableContext context(names, mix);
  for (const PluginEntry& plugin : plugins::BuiltinPlugins()) {
    if (plugin.name == name) return plugin.make(args, context);
  }
  return absl::NotFoundError(std::string(name));
}

class PluginProbe {
 public:
  explicit PluginProbe(std::string_view name, const PluginArgs& args = {},
                       const state::TaskMix* mix = nullptr) {
    auto made = MakeBuiltin(name, args, cluster.table().names(), mix);
    BERTH_CHECK(made.ok()) << base::S(made.status().message());
    plugin_ = *std::move(made);
  }

  // Nodes that pass, in order of slots.
  std::vector<std::string> Passing(const TaskBuilder& task) {
    NodeMask feasible = cluster.table().live();
    const TaskRequirements& needs = cluster.Needs(task);
    SlotMask mask(All(), feasible.mutable_words());
    const absl::Status status = As<FilterPlugin>().Filter({needs, {}}, cluster.table(), mask);
    BERTH_CHECK(status.ok()) << base::S(status.message());
    return cluster.NamesOf(feasible);
  }

  // Why nodes do not pass.
  std::vector<SeenRejection> Rejections(const TaskBuilder& task) {
    const TaskRequirements& needs = cluster.Needs(task);
    RecordingSink sink(cluster);
    As<FilterPlugin>().Diagnose({needs, {}}, cluster.table(), cluster.table().live(), sink);
    return sink.seen;
  }

  std::map<std::string, int32_t> Scores(const TaskBuilder& task) {
    const TaskRequirements& needs = cluster.Needs(task);
    std::vector<int32_t> scores(cluster.table().size(), -1);
    const absl::Status status =
        As<ScorePlugin>().Score({needs, {}}, cluster.table(), All(), scores);
    BERTH_CHECK(status.ok()) << base::S(status.message());
    std::map<std::string, int32_t> by_name;
    cluster.table().live().ForEach(
        [&](Slot slot) { by_name[cluster.NameOf(slot)] = scores[slot]; });
    return by_name;
  }

  absl::StatusOr<std::vector<DeviceGrant>> Grants(const TaskBuilder& task, std::string_view node) {
    Reservation reservation;
    const TaskRequirements& needs = cluster.Needs(task);
    const absl::Status status =
        As<ReservePlugin>().Reserve({needs, {}}, cluster.table(), cluster.At(node), reservation);
    if (!status.ok()) return status;
    return reservation.devices;
  }

  // A candidate set of the task's first device need on a node, by positions, and its score.
  struct ScoredSet {
    std::vector<uint16_t> devices;
    int32_t score = 0;

    bool operator==(const ScoredSet&) const = default;
  };
  // In canonical order.
  std::vector<ScoredSet> SetScores(const TaskBuilder& task, std::string_view node) {
    const TaskRequirements& needs = cluster.Needs(task);
    const Slot slot = cluster.At(node);
    DeviceSets sets;
    sets.Find(needs.devices.at(0), cluster.table().devices(slot));
    std::vector<int32_t> scores(sets.size(), -1);
    const absl::Status status = As<DeviceScorePlugin>().ScoreSets(
        {needs, {}}, cluster.table(), slot, needs.devices[0], sets, scores);
    BERTH_CHECK(status.ok()) << base::S(status.message());
    std::vector<ScoredSet> scored;
    for (size_t set = 0; set < sets.size(); ++set) {
      scored.push_back({{sets[set].begin(), sets[set].end()}, scores[set]});
    }
    return scored;
  }

  template <typename Point>
  const Point& As() const {
    const auto* point = dynamic_cast<const Point*>(plugin_.get());
    BERTH_CHECK(point != nullptr) << plugin_->name() << " has no such extension point";
    return *point;
  }

  Cluster cluster;

 private:
  SlotSpan All() const { return SlotSpan::All(cluster.table().size()); }

  std::unique_ptr<Plugin> plugin_;
};

}  // namespace berth::testing
