// What /metrics says of the room that the store takes.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace berth::monitor {

struct StoreSizes {
  uint64_t disk_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t disk_free_bytes = 0;
  int64_t output_tails_bytes = 0;
  int64_t output_tails_dropped = 0;
};

// Threading: any thread, as `source` must be. Cost: that of `source`.
class StoreMetrics final : public prometheus::Collectable {
 public:
  explicit StoreMetrics(std::function<StoreSizes()> source) : source_(std::move(source)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<StoreSizes()> source_;
};

}  // namespace berth::monitor
