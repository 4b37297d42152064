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
  const float* inverse_capacity = nullptr;
  int32_t request = 0;
};

// Where the columns of a block are gathered that is a list.
struct ColumnBuffers {
  BlockBuffer<int32_t> capacity;
  BlockBuffer<int32_t> allocated;
  BlockBuffer<float> inverse_capacity;
};

// Raises and lowers what is most and least used of each node by one resource more.
BERTH_VECTOR_KERNEL void Stretch(const Column& column, int32_t* least, int32_t* most, size_t n) {
  const int32_t* __restrict capacity = column.capacity;
  const int32_t* __restrict allocated = column.allocated;
  const float* __restrict inverse = column.inverse_capacity;
  int32_t* __restrict low = least;
  int32_t* __restrict high = most;
  const int32_t request = column.request;
  for (size_t i = 0; i < n; ++i) {
    // Without capacity the part is 0, which changes neither the most nor, lifted, the least.
    const int32_t used = ScorePart(allocated[i] + request, capacity[i], inverse[i]);
    high[i] = std::max(high[i], used);
    low[i] = std::min(low[i], capacity[i] > 0 ? used : kMaxScore);
  }
}

BERTH_VECTOR_KERNEL void ScoreGaps(const int32_t* least, const int32_t* most, int32_t* scores,
                                   size_t n) {
  for (size_t i = 0; i < n; ++i) scores[i] = kMaxScore - std::max(0, most[i] - least[i]);
}

// The same for two resources, which is what nearly every profile has.
BERTH_VECTOR_KERNEL void ScorePair(const Column& a, const Column& b, int32_t* scores, size_t n) {
  const int32_t* __restrict capacity_a = a.capacity;
  const int32_t* __restrict allocated_a = a.allocated;
  const float* __restrict inverse_a = a.inverse_capacity;
  const int32_t* __restrict capacity_b = b.capacity;
  const int32_t* __restrict allocated_b = b.allocated;
  const float* __restrict inverse_b = b.inverse_capacity;
  int32_t* __restrict out = scores;
  const int32_t request_a = a.request;
  const int32_t request_b = b.request;
  for (size_t i = 0; i < n; ++i) {
    const int32_t used_a = ScorePart(allocated_a[i] + request_a, capacity_a[i], inverse_a[i]);
    const int32_t used_b = ScorePart(allocated_b[i] + request_b, capacity_b[i], inverse_b[i]);
    const int32_t gap = std::max(used_a, used_b) - std::min(used_a, used_b);
    out[i] = kMaxScore - (std::min(capacity_a[i], capacity_b[i]) > 0 ? gap : 0);
  }
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
    ForEachBlock(slots, [&](const SlotBlock& block) {
      ColumnBuffers buffers[2];
      const auto column = [&](ResourceIndex resource, ColumnBuffers& buffer) {
        return Column{block.Values(columns.capacity(resource), buffer.capacity),
                      block.Values(columns.allocated(resource), buffer.allocated),
                      block.Values(columns.inverse_capacity(resource), buffer.inverse_capacity),
                      task.needs.requests[resource]};
      };
      int32_t* out = &scores[block.begin()];
      if (resources_.size() == 2) {
        ScorePair(column(resources_[0], buffers[0]), column(resources_[1], buffers[1]), out,
                  block.size());
        return;
      }
      std::array<int32_t, kSlotBlock> least, most;
      std::fill_n(least.begin(), block.size(), kMaxScore);
      std::fill_n(most.begin(), block.size(), 0);
      for (const ResourceIndex resource : resources_) {
        Stretch(column(resource, buffers[0]), least.data(), most.data(), block.size());
      }
      ScoreGaps(least.data(), most.data(), out, block.size());
    });
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
