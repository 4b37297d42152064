// The plugins that decide where a task goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "berth/filter.h"
#include "berth/reserve.h"
#include "berth/score.h"

namespace berth::engine {

// Most score plugins of a set. With weights of at most kMaxWeight and scores of at most 2^20 a
// total stays below 2^31.
inline constexpr size_t kMaxScorePlugins = 16;
inline constexpr int32_t kMaxWeight = 100;

struct WeightedScore {
  const ScorePlugin* plugin = nullptr;
  int32_t weight = 1;  // 1 to kMaxWeight
};

// Not owned. Immutable while a shape of it is cached.
struct PluginSet {
  // In the order in which they run, which is that in which a removed node is counted.
  std::vector<const FilterPlugin*> filters;
  std::vector<WeightedScore> scores;  // at most kMaxScorePlugins
  std::vector<const ReservePlugin*> reserves;
  // Of equal totals not the lowest rank wins, but the first at or after a rank that each task has
  // of its own; after the last rank comes the first.
  bool rotates_ties = false;
};

}  // namespace berth::engine
