// Score plugins of the sorts that no shipped plugin is.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "berth/device_score.h"
#include "berth/plugin_registry.h"
#include "berth/score.h"

namespace berth::testing {

// What a task has on few nodes: its data is there. Which ones follows from the task's position.
class FewNodes final : public ScorePlugin, public SparsePlugin {
 public:
  static constexpr std::string_view kName = "FewNodes";
  static constexpr size_t kNodes = 8;
  static constexpr int32_t kScore = kMaxScore / 8;

  std::string_view name() const override { return kName; }
  Scope scope() const override { return Scope::kSparse; }
  Reads reads() const override { return kReadsStatic; }

  // The i-th of them; several may be the same.
  static Slot At(const TaskView& task, size_t i, size_t size) {
    return static_cast<Slot>((task.key.position * 7919 + i * 104'729) % size);
  }
  void AppendSlots(const TaskView& task, const NodeColumns& columns,
                   std::vector<Slot>& slots) const override {
    const auto first = static_cast<std::ptrdiff_t>(slots.size());
    for (size_t i = 0; i < kNodes; ++i) slots.push_back(At(task, i, columns.size()));
    std::sort(slots.begin() + first, slots.end());
    slots.erase(std::unique(slots.begin() + first, slots.end()), slots.end());
  }
  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    slots.ForEach([&](size_t p, Slot slot) {
      scores[p] = 0;
      for (size_t i = 0; i < kNodes; ++i) {
        if (At(task, i, columns.size()) == slot) scores[p] = kScore;
      }
    });
    return absl::OkStatus();
  }
};

// How much of its CPU a node has free, of what the best node that fits has.
class RelativelyFree final : public ScorePlugin {
 public:
  static constexpr std::string_view kName = "RelativelyFree";
  std::string_view name() const override { return kName; }
  Scope scope() const override { return Scope::kCluster; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation; }

  absl::Status Score(const TaskView&, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const auto free = [&](Slot slot) {
      return std::max(0, columns.capacity(kCpu)[slot] - columns.allocated(kCpu)[slot]);
    };
    int64_t most = 1;
    slots.ForEach([&](size_t, Slot slot) { most = std::max<int64_t>(most, free(slot)); });
    slots.ForEach([&](size_t i, Slot slot) {
      scores[i] = static_cast<int32_t>(int64_t{kMaxScore} * free(slot) / most);
    });
    return absl::OkStatus();
  }
};

// Has an opinion on sets of devices that follows no order of theirs, with many that are equal.
class FavouredDevices final : public DeviceScorePlugin {
 public:
  static constexpr std::string_view kName = "FavouredDevices";
  std::string_view name() const override { return kName; }
  Reads reads() const override { return kReadsDevices; }

  absl::Status ScoreSets(const TaskView&, const NodeColumns& columns, Slot slot,
                         const DeviceNeed& need, const DeviceSets& sets,
                         std::span<int32_t> scores) const override {
    const std::span<const DeviceRow> devices = columns.devices(slot);
    for (size_t set = 0; set < sets.size(); ++set) {
      int32_t sum = 0;
      for (const uint16_t position : sets[set]) {
        sum += (position * 5 + devices[position].allocated_milli / 100) % 3;
      }
      scores[set] = kMaxScore / 2 * sum / need.count;
    }
    return absl::OkStatus();
  }
};

inline void RegisterScopedPlugins(PluginRegistry& registry) {
  registry.Register(
      FewNodes::kName,
      [](const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
        return std::make_unique<FewNodes>();
      });
  registry.Register(
      RelativelyFree::kName,
      [](const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
        return std::make_unique<RelativelyFree>();
      });
  registry.Register(
      FavouredDevices::kName,
      [](const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
        return std::make_unique<FavouredDevices>();
      });
}

}  // namespace berth::testing
