#include "node_resources_fit/node_resources_fit.h"

#include <algorithm>
#include <array>
#include <utility>

#include "berth/filter.h"
#include "berth/score.h"
#include "common/device_packing.h"
#include "common/exact_fraction.h"
#include "node_resources_fit/fit_kernels.h"
#include "node_resources_fit/scoring_strategy.h"

namespace berth::plugins {
namespace {

Reason InsufficientReason(ResourceIndex resource) {
  switch (resource) {
    case kCpu:
      return Reason::kInsufficientCpu;
    case kMemory:
      return Reason::kInsufficientMemory;
    case kStorage:
      return Reason::kInsufficientStorage;
    case kBandwidth:
      return Reason::kInsufficientBandwidth;
    default:
      return Reason::kInsufficientExtendedResource;
  }
}

ResourceColumn ColumnOf(const TaskRequirements& needs, const NodeColumns& columns,
                        ResourceIndex resource) {
  return {columns.capacity(resource).data(), columns.allocated(resource).data(),
          needs.requests[resource]};
}

// The same column seen from one slot: a kernel over it with n = 1 answers for that slot.
ResourceColumn At(const ResourceColumn& column, Slot slot) {
  return {column.capacity + slot, column.allocated + slot, column.request};
}

class NodeResourcesFit final : public FilterPlugin, public ScorePlugin {
 public:
  explicit NodeResourcesFit(ScoringStrategy strategy) : strategy_(std::move(strategy)) {
    int64_t total = 0;
    for (const ResourceWeight& entry : strategy_.resources) total += entry.weight;
    int64_t before = 0;
    for (const ResourceWeight& entry : strategy_.resources) {
      shares_.push_back(ScoreShare(before, entry.weight, total));
      before += entry.weight;
    }
  }

  std::string_view name() const override { return kNodeResourcesFit; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation | kReadsDevices; }

  absl::Status Filter(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                      NodeMask& feasible) const override {
    std::array<ResourceColumn, kMaxResources> storage;
    const std::span<const ResourceColumn> asked = AskedFor(task.needs, columns, storage);
    if (slots.is_all()) {
      ClearUnfit(asked, feasible.mutable_words(), columns.size());
      return absl::OkStatus();
    }
    for (Slot slot : slots.list()) {
      for (const ResourceColumn& column : asked) {
        if (column.allocated[slot] + column.request > column.capacity[slot]) feasible.Clear(slot);
      }
    }
    return absl::OkStatus();
  }

  // Of several resources that do not suffice, one is named that no release can mend, if there is
  // one, else the first.
  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    removed.ForEach([&](Slot slot) {
      bool found = false;
      ResourceIndex named = 0;
      for (ResourceIndex i = 0; i < task.needs.resource_count; ++i) {
        const int32_t request = task.needs.requests[i];
        if (request == 0) continue;
        const int32_t capacity = columns.capacity(i)[slot];
        if (columns.allocated(i)[slot] + request <= capacity) continue;
        const bool permanent = request > capacity;
        if (!found || permanent) named = i;
        found = true;
        if (permanent) break;
      }
      if (!found) return;
      const int32_t capacity = columns.capacity(named)[slot];
      const int32_t free = std::max(0, capacity - columns.allocated(named)[slot]);
      sink.Reject(slot, InsufficientReason(named), named, task.needs.requests[named], free,
                  capacity, task.needs.requests[named] > capacity);
    });
  }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    if (strategy_.devices != ScoringStrategy::Devices::kIgnore && !task.needs.devices.empty()) {
      ScoreDevices(task.needs, columns, slots, scores);
      return absl::OkStatus();
    }
    if (slots.is_all()) std::fill(scores.begin(), scores.end(), 0);
    for (Slot slot : slots.list()) scores[slot] = 0;
    for (size_t r = 0; r < strategy_.resources.size(); ++r) {
      const ResourceColumn column = ColumnOf(task.needs, columns, strategy_.resources[r].resource);
      if (slots.is_all()) AddPart(column, shares_[r], scores.data(), scores.size());
      for (Slot slot : slots.list()) AddPart(At(column, slot), shares_[r], &scores[slot], 1);
    }
    return absl::OkStatus();
  }

 private:
  // Columns of the resources of which the task wants some.
  static std::span<const ResourceColumn> AskedFor(
      const TaskRequirements& needs, const NodeColumns& columns,
      std::array<ResourceColumn, kMaxResources>& storage) {
    size_t count = 0;
    for (ResourceIndex i = 0; i < needs.resource_count; ++i) {
      if (needs.requests[i] > 0) storage[count++] = ColumnOf(needs, columns, i);
    }
    return {storage.data(), count};
  }

  void AddPart(const ResourceColumn& column, int32_t share, int32_t* scores, size_t n) const {
    switch (strategy_.type) {
      case ScoringStrategy::Type::kLeastAllocated:
        return AddFreePart(column, share, scores, n);
      case ScoringStrategy::Type::kMostAllocated:
        return AddUsedPart(column, share, scores, n);
      case ScoringStrategy::Type::kRequestedToCapacityRatio:
        return AddShapedPart(column, strategy_.shape, share, scores, n);
    }
  }

  // Only nodes with the first kind asked for can be feasible; the others are left at 0.
  void ScoreDevices(const TaskRequirements& needs, const NodeColumns& columns, SlotSpan slots,
                    std::span<int32_t> scores) const {
    const NodeMask& candidates = columns.with_device_kind(needs.devices.front().kind);
    const auto score = [&](Slot slot) {
      const int32_t used = DevicesInUse(needs, columns, slot);
      return strategy_.devices == ScoringStrategy::Devices::kMostAllocated ? used
                                                                           : kMaxScore - used;
    };
    if (slots.is_all()) {
      std::fill(scores.begin(), scores.end(), 0);
      candidates.ForEach([&](Slot slot) { scores[slot] = score(slot); });
    }
    for (Slot slot : slots.list()) scores[slot] = candidates.Test(slot) ? score(slot) : 0;
  }

  const ScoringStrategy strategy_;
  std::vector<int32_t> shares_;  // of kMaxScore, by entry of strategy_.resources
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeNodeResourcesFit(const PluginArgs& args,
                                                             PluginContext& context) {
  auto strategy = ReadScoringStrategy(args, context);
  if (!strategy.ok()) return strategy.status();
  return std::make_unique<NodeResourcesFit>(*std::move(strategy));
}

}  // namespace berth::plugins
