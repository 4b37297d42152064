// What /metrics says of task features: what was read, learned, and how right it was.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace berth::monitor {

struct FeatureFacts {
  // Of one field by one source ("history", "rules", ...).
  struct Calibration {
    std::string field, source;
    int64_t outcomes = 0, over = 0, under = 0;
    double mean_error_ratio = 0, median_error_ratio = 0;
    double coverage_ratio = -1;  // -1: there is no interval
    bool in_use = true;
  };

  uint64_t groups_read = 0;
  uint64_t ends_learned = 0;
  uint64_t ends_without_record = 0;
  uint64_t switches = 0;
  double history_groups = 0;
  double history_bytes = 0;
  std::vector<Calibration> calibration;
};

// Threading: any thread, as `source` must be. Cost: that of `source`.
class FeatureMetrics final : public prometheus::Collectable {
 public:
  explicit FeatureMetrics(std::function<FeatureFacts()> source) : source_(std::move(source)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<FeatureFacts()> source_;
};

}  // namespace berth::monitor
