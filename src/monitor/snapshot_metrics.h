// What /metrics says of berthd's own snapshots.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace berth::monitor {

struct SnapshotFacts {
  int64_t last_success_unix_ms = 0;  // 0: there is none
  uint64_t last_bytes = 0;
  uint64_t failures = 0;
};

// Threading: any thread, as `source` must be. Cost: that of `source`.
class SnapshotMetrics final : public prometheus::Collectable {
 public:
  explicit SnapshotMetrics(std::function<SnapshotFacts()> source) : source_(std::move(source)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<SnapshotFacts()> source_;
};

}  // namespace berth::monitor
