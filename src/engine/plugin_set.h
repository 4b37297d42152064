// The plugins that decide where a task goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "berth/device_score.h"
#include "berth/filter.h"
#include "berth/pre_filter.h"
#include "berth/reserve.h"
#include "berth/score.h"

namespace berth::engine {

// Most score plugins of a set. With weights of at most kMaxWeight and scores of at most 2^20 a
// total stays below 2^31.
inline constexpr size_t kMaxScorePlugins = 24;
inline constexpr int32_t kMaxWeight = 100;

// A plugin that scores nodes, or sets of devices, or both: then the former for tasks without
// devices, the latter for those with them.
struct WeightedScore {
  const ScorePlugin* plugin = nullptr;  // null: scores sets alone
  int32_t weight = 1;                   // 1 to kMaxWeight
  const DeviceScorePlugin* of_devices = nullptr;

  std::string_view name() const { return of_devices ? of_devices->name() : plugin->name(); }

  // Whether it is asked about nodes, or about sets, for such a task. The plugin may throw:
  // run_plugins.h has the same with a guard.
  bool ScoresNodes(const TaskRequirements& needs) const {
    const bool leaves_it_to_sets = of_devices != nullptr && !needs.devices.empty();
    return plugin != nullptr && !leaves_it_to_sets && !plugin->Skips(needs);
  }
  bool ScoresSets(const TaskRequirements& needs) const {
    return of_devices != nullptr && !needs.devices.empty() && !of_devices->Skips(needs);
  }
};

// Not owned. Immutable while a shape of it is cached.
struct PluginSet {
  // Those of the filters that may refuse a task altogether.
  std::vector<const PreFilterPlugin*> pre_filters;
  // In the order in which they run, which is that in which a removed node is counted.
  std::vector<const FilterPlugin*> filters;
  std::vector<WeightedScore> scores;  // at most kMaxScorePlugins
  std::vector<const ReservePlugin*> reserves;
  // Of equal totals not the lowest rank wins, but the first at or after a rank that each task has
  // of its own; after the last rank comes the first.
  bool rotates_ties = false;
};

}  // namespace berth::engine
