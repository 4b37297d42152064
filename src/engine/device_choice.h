// Which of a node's devices a task would get, and what they add to the node's score.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "berth/device_sets.h"
#include "berth/node_columns.h"
#include "berth/task_view.h"
#include "engine/plugin_set.h"

namespace berth::engine {

// A plugin that scores sets of devices, and its place among PluginSet::scores.
struct DeviceScorer {
  const DeviceScorePlugin* plugin = nullptr;
  int32_t weight = 1;
  size_t index = 0;
};

// Chooses, of the candidate sets of each need on a node, the one with the highest weighted sum of
// scores, and of equals the first. The one place where that is decided: for a node's total, for the
// devices that are reserved, and for explanations.
//
// Threading: one node at a time; keeps its space, so that choosing allocates nothing.
class DeviceChoice {
 public:
  // REQUIRES: scorers.size() <= kMaxScorePlugins. Errors: as RunScoreSets.
  // Cost: candidate sets x scorers, and finding the sets (DeviceSets::Find).
  absl::Status Choose(std::span<const DeviceScorer> scorers, const TaskView& task,
                      const NodeColumns& columns, Slot slot);

  // Nothing is chosen.
  void Clear() {
    total_ = 0;
    devices_.clear();
  }

  // Of the last choice. What a scorer gave the chosen sets: the mean over the needs, rounded down;
  // 0 for a need of which the node has no set now.
  [[nodiscard]] int32_t score(size_t scorer) const { return means_[scorer]; }
  // Sum of score x weight.
  [[nodiscard]] int32_t total() const { return total_; }
  // The chosen sets, need after need. Incomplete when the node has none for some need.
  [[nodiscard]] std::span<const uint16_t> devices() const { return devices_; }

 private:
  absl::Status ChooseFor(const DeviceNeed& need, std::span<const DeviceScorer> scorers,
                         const TaskView& task, const NodeColumns& columns, Slot slot);

  DeviceSets sets_;
  std::vector<int32_t> scores_;  // of a need's sets, scorer after scorer
  std::array<int64_t, kMaxScorePlugins> sums_{};
  std::array<int32_t, kMaxScorePlugins> means_{};
  int32_t total_ = 0;
  std::vector<uint16_t> devices_;
};

}  // namespace berth::engine
