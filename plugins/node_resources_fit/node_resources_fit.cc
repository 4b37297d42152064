#include "node_resources_fit/node_resources_fit.h"

#include <algorithm>
#include <array>
#include <utility>

#include "berth/filter.h"
#include "berth/score.h"
#include "common/device_packing.h"
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

// Where the columns of a block are gathered that is a list.
struct ColumnBuffers {
  BlockBuffer<int32_t> capacity;
  BlockBuffer<int32_t> allocated;
  BlockBuffer<float> inverse_capacity;
};
ResourceColumn ColumnOf(const TaskRequirements& needs, const NodeColumns& columns,
                        ResourceIndex resource, const SlotBlock& block, ColumnBuffers& buffers) {
  return {block.Values(columns.capacity(resource), buffers.capacity),
          block.Values(columns.allocated(resource), buffers.allocated),
          block.Values(columns.inverse_capacity(resource), buffers.inverse_capacity),
          needs.requests[resource]};
}

class NodeResourcesFit final : public FilterPlugin, public ScorePlugin {
 public:
  explicit NodeResourcesFit(ScoringStrategy strategy) : strategy_(std::move(strategy)) {
    for (const ResourceWeight& entry : strategy_.resources) total_weight_ += entry.weight;
  }

  std::string_view name() const override { return kNodeResourcesFit; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation | kReadsDevices; }

  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    ForEachBlock(feasible.slots(), [&](const SlotBlock& block) {
      ColumnBuffers buffers[kMaxResources];
      ResourceColumn asked[kMaxResources];
      size_t count = 0;
      for (ResourceIndex i = 0; i < task.needs.resource_count; ++i) {
        if (task.needs.requests[i] == 0) continue;
        asked[count] = ColumnOf(task.needs, columns, i, block, buffers[count]);
        ++count;
      }
      ClearUnfit({asked, count},
                 feasible.words().subspan(block.begin() / 64, WordsFor(block.size())),
                 block.size());
    });
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
    const bool keeps = strategy_.keeps_for_devices && task.needs.devices.empty();
    if (keeps && total_weight_ == 2 && strategy_.resources.size() == 2) {
      ScorePairs(task.needs, columns, slots, scores);
      return absl::OkStatus();
    }
    std::fill(scores.begin(), scores.end(), 0);
    ForEachBlock(slots, [&](const SlotBlock& block) {
      ColumnBuffers buffers;
      int32_t* sums = &scores[block.begin()];
      for (const ResourceWeight& entry : strategy_.resources) {
        AddPart(ColumnOf(task.needs, columns, entry.resource, block, buffers), entry.weight, sums,
                block.size());
      }
      if (total_weight_ > 1) DivideAll(sums, total_weight_, block.size());
      if (!keeps) return;
      BlockBuffer<int32_t> idle;
      TakeIdle(block.Values(columns.idle_devices(), idle), sums, block.size());
    });
    return absl::OkStatus();
  }

 private:
  void ScorePairs(const TaskRequirements& needs, const NodeColumns& columns, const SlotSpan& slots,
                  std::span<int32_t> scores) const {
    ForEachBlock(slots, [&](const SlotBlock& block) {
      ColumnBuffers buffers[2];
      BlockBuffer<int32_t> idle;
      SetFreePair(ColumnOf(needs, columns, strategy_.resources[0].resource, block, buffers[0]),
                  ColumnOf(needs, columns, strategy_.resources[1].resource, block, buffers[1]),
                  block.Values(columns.idle_devices(), idle), &scores[block.begin()], block.size());
    });
  }

  void AddPart(const ResourceColumn& column, int32_t weight, int32_t* sums, size_t n) const {
    switch (strategy_.type) {
      case ScoringStrategy::Type::kLeastAllocated:
        return AddFreePart(column, weight, sums, n);
      case ScoringStrategy::Type::kMostAllocated:
        return AddUsedPart(column, weight, sums, n);
      case ScoringStrategy::Type::kRequestedToCapacityRatio:
        return AddShapedPart(column, strategy_.shape, weight, sums, n);
    }
  }

  // Only nodes with the first kind asked for can be feasible; the others are left at 0.
  void ScoreDevices(const TaskRequirements& needs, const NodeColumns& columns, SlotSpan slots,
                    std::span<int32_t> scores) const {
    const NodeMask& candidates = columns.with_device_kind(needs.devices.front().kind);
    slots.ForEach([&](size_t i, Slot slot) {
      scores[i] = 0;
      if (!candidates.Test(slot)) return;
      const int32_t used = DevicesInUse(needs, columns, slot);
      scores[i] =
          strategy_.devices == ScoringStrategy::Devices::kMostAllocated ? used : kMaxScore - used;
    });
  }

  const ScoringStrategy strategy_;
  int32_t total_weight_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeNodeResourcesFit(const PluginArgs& args,
                                                             PluginContext& context) {
  auto strategy = ReadScoringStrategy(args, context);
  if (!strategy.ok()) return strategy.status();
  return std::make_unique<NodeResourcesFit>(*std::move(strategy));
}

}  // namespace berth::plugins
