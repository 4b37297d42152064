#include "fragmentation_gradient/fragmentation.h"

#include <algorithm>

#include "berth/vector_kernel.h"

namespace berth::plugins {
namespace {

// Columns of classes are filled up to a multiple of this, so that vectors leave no remainder. A
// kernel rounds its `n` down to tell the compiler, and nothing else.
constexpr size_t kLanes = 16;
static_assert(Fragmentation::kMostClasses % kLanes == 0);

BERTH_VECTOR_KERNEL void CountDevice(const int32_t* __restrict shares, int32_t free, int32_t change,
                                     int32_t* __restrict with_room, int32_t* __restrict useless,
                                     size_t n) {
  const int32_t free_change = free * change;
  n = n / kLanes * kLanes;
  for (size_t i = 0; i < n; ++i) {
    const bool has_room = free >= shares[i];
    with_room[i] += has_room ? change : 0;
    useless[i] += has_room ? 0 : free_change;
  }
}

// What a task of a class needs, and what there is.
struct ClassColumns {
  const int32_t* cpu_milli;
  const int32_t* memory_mib;
  const int32_t* devices;
  const int32_t* weights;
};
struct NodeAmounts {
  int32_t cpu_milli;
  int32_t memory_mib;
  int32_t device_milli;
};

// Sum over classes of weight x what is of use.
BERTH_VECTOR_KERNEL int64_t WeighUseful(const ClassColumns& classes, const NodeAmounts& free,
                                        const int32_t* __restrict with_room,
                                        const int32_t* __restrict useless, size_t n) {
  const int32_t* __restrict cpu = classes.cpu_milli;
  const int32_t* __restrict memory = classes.memory_mib;
  const int32_t* __restrict devices = classes.devices;
  const int32_t* __restrict weights = classes.weights;
  int64_t sum = 0;
  n = n / kLanes * kLanes;
  for (size_t i = 0; i < n; ++i) {
    // Without branches: bits instead of conditions.
    const int32_t fits = static_cast<int32_t>(cpu[i] <= free.cpu_milli) &
                         static_cast<int32_t>(memory[i] <= free.memory_mib) &
                         static_cast<int32_t>(devices[i] <= with_room[i]);
    sum += int64_t{weights[i]} * ((free.device_milli - useless[i]) & -fits);
  }
  return sum;
}

int32_t FreeOf(const DeviceRow& device) { return std::max(0, 1000 - device.allocated_milli); }

}  // namespace

Fragmentation::Fragmentation(KindId kind, std::span<const TaskClass> mix) : kind_(kind) {
  for (const TaskClass& task : mix) {
    total_weight_ += task.weight;
    if (task.devices == 0) continue;  // nothing is of use to it
    cpu_milli_.push_back(task.cpu_milli);
    memory_mib_.push_back(task.memory_mib);
    devices_.push_back(task.devices);
    share_milli_.push_back(task.share_milli);
    weights_.push_back(task.weight);
    models_.push_back(task.models);
    has_models_ = has_models_ || !task.models.empty();
  }
  const size_t padded = (weights_.size() + kLanes - 1) / kLanes * kLanes;
  for (auto* column : {&cpu_milli_, &memory_mib_, &devices_, &share_milli_, &weights_}) {
    column->resize(padded, 0);
  }
}

void Fragmentation::Count(const DeviceRow& device, int32_t free, int32_t change,
                          Node::Counts& counts) const {
  if (free == 0) return;
  int32_t* with_room = counts.with_room.data();
  int32_t* useless = counts.useless.data();
  CountDevice(share_milli_.data(), free, change, with_room, useless, share_milli_.size());
  if (!has_models_) return;
  for (size_t i = 0; i < models_.size(); ++i) {
    const std::vector<ModelId>& models = models_[i];
    if (models.empty() || free < share_milli_[i]) continue;
    if (std::find(models.begin(), models.end(), device.model) != models.end()) continue;
    with_room[i] -= change;
    useless[i] += free * change;
  }
}

int64_t Fragmentation::Weighted(int64_t free_milli, const Node::Counts& counts,
                                int32_t free_cpu_milli, int32_t free_memory_mib) const {
  // As if all were useless to everybody, less what is not.
  const ClassColumns classes{cpu_milli_.data(), memory_mib_.data(), devices_.data(),
                             weights_.data()};
  const NodeAmounts free{free_cpu_milli, free_memory_mib, static_cast<int32_t>(free_milli)};
  return free_milli * total_weight_ - WeighUseful(classes, free, counts.with_room.data(),
                                                  counts.useless.data(), weights_.size());
}

Fragmentation::Node::Node(const Fragmentation& fragmentation, std::span<const DeviceRow> devices,
                          int32_t free_cpu_milli, int32_t free_memory_mib)
    : of_(fragmentation),
      devices_(devices),
      free_cpu_milli_(free_cpu_milli),
      free_memory_mib_(free_memory_mib) {
  const size_t classes = of_.weights_.size();
  std::fill_n(counts_.with_room.begin(), classes, 0);
  std::fill_n(counts_.useless.begin(), classes, 0);
  // Those that look alike, which often stand side by side, are counted together.
  const DeviceRow* alike = nullptr;
  int32_t count = 0;
  const auto count_alike = [&] {
    if (count > 0) of_.Count(*alike, FreeOf(*alike), count, counts_);
    count = 0;
  };
  for (const DeviceRow& device : devices_) {
    if (!of_.IsOfKind(device) || FreeOf(device) == 0) continue;
    if (count > 0 && (FreeOf(*alike) != FreeOf(device) || alike->model != device.model)) {
      count_alike();
    }
    alike = &device;
    ++count;
    free_milli_ += FreeOf(device);
  }
  count_alike();
  weighted_ = of_.Weighted(free_milli_, counts_, free_cpu_milli_, free_memory_mib_);
}

int64_t Fragmentation::Node::Change(int32_t cpu_milli, int32_t memory_mib,
                                    std::span<const uint16_t> positions,
                                    int32_t share_milli) const {
  const size_t classes = of_.weights_.size();
  Counts counts;
  std::copy_n(counts_.with_room.begin(), classes, counts.with_room.begin());
  std::copy_n(counts_.useless.begin(), classes, counts.useless.begin());
  int64_t free_milli = free_milli_;
  for (const uint16_t position : positions) {
    const DeviceRow& device = devices_[position];
    if (!of_.IsOfKind(device)) continue;
    const int32_t before = FreeOf(device);
    const int32_t after = std::max(0, before - share_milli);
    free_milli -= before - after;
    of_.Count(device, before, -1, counts);
    of_.Count(device, after, 1, counts);
  }
  return weighted_ - of_.Weighted(free_milli, counts, free_cpu_milli_ - cpu_milli,
                                  free_memory_mib_ - memory_mib);
}

}  // namespace berth::plugins
