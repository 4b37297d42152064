#include "balanced_allocation/balanced_allocation.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "berth/score.h"
#include "berth/vector_kernel.h"
#include "common/args_reader.h"
#include "common/exact_fraction.h"
#include "common/resource_weights.h"

namespace berth::plugins {
namespace {

struct Column {
  const int32_t* capacity = nullptr;
  const int32_t* allocated = nullptr;
  int32_t request = 0;
};

// Nodes whose least and most used parts are held at once: on the stack, and in the first cache.
constexpr size_t kBlock = 256;

// Writes the scores of n <= kBlock nodes.
BERTH_VECTOR_KERNEL void ScoreBlock(std::span<const Column> columns, size_t first, size_t n,
                                    int32_t* scores) {
  int32_t least[kBlock];
  int32_t most[kBlock];
  std::fill(least, least + n, kMaxScore);
  std::fill(most, most + n, 0);
  for (const Column& column : columns) {
    const int32_t* __restrict capacity = column.capacity + first;
    const int32_t* __restrict allocated = column.allocated + first;
    const int32_t request = column.request;
    for (size_t i = 0; i < n; ++i) {
      // Without capacity the part is 0, which changes neither the most nor, lifted, the least.
      const int32_t used = ExactFraction(allocated[i] + request, capacity[i], kMaxScore);
      most[i] = std::max(most[i], used);
      least[i] = std::min(least[i], capacity[i] > 0 ? used : kMaxScore);
    }
  }
  for (size_t i = 0; i < n; ++i) scores[i] = kMaxScore - std::max(0, most[i] - least[i]);
}

class BalancedAllocation final : public ScorePlugin {
 public:
  explicit BalancedAllocation(std::vector<ResourceIndex> resources)
      : resources_(std::move(resources)) {}

  std::string_view name() const override { return kBalancedAllocation; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation; }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    std::array<Column, kMaxResources> storage;
    for (size_t r = 0; r < resources_.size(); ++r) {
      storage[r] = {columns.capacity(resources_[r]).data(), columns.allocated(resources_[r]).data(),
                    task.needs.requests[resources_[r]]};
    }
    const std::span<const Column> judged(storage.data(), resources_.size());
    if (slots.is_all()) {
      for (size_t first = 0; first < scores.size(); first += kBlock) {
        ScoreBlock(judged, first, std::min(kBlock, scores.size() - first), &scores[first]);
      }
    }
    for (Slot slot : slots.list()) ScoreBlock(judged, slot, 1, &scores[slot]);
    return absl::OkStatus();
  }

 private:
  const std::vector<ResourceIndex> resources_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeBalancedAllocation(const PluginArgs& args,
                                                               PluginContext& context) {
  const auto reader = ArgsReader::Open(args, "", {"resources"});
  if (!reader.ok()) return reader.status();
  const auto weights = ReadResourceWeights(*reader, "resources", /*most=*/1, context);
  if (!weights.ok()) return weights.status();
  std::vector<ResourceIndex> resources;
  for (const ResourceWeight& entry : *weights) resources.push_back(entry.resource);
  return std::make_unique<BalancedAllocation>(std::move(resources));
}

}  // namespace berth::plugins
