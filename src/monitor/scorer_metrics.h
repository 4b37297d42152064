// What /metrics says of the scorers outside.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/loop_snapshot.h"

namespace berth::monitor {

// Of one profile's scorer.
struct ScorerFacts {
  std::string profile;
  std::vector<std::pair<std::string, uint64_t>> calls;  // by result
  scheduler::LatencyHistogram duration;
  int breaker = 0;  // 0 closed, 1 half open, 2 open
  int64_t last_success_unix_ms = 0;
  uint64_t epoch = 0;
};

// Threading: any thread, as `source` must be. Cost: that of `source`.
class ScorerMetrics final : public prometheus::Collectable {
 public:
  explicit ScorerMetrics(std::function<std::vector<ScorerFacts>()> source)
      : source_(std::move(source)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<std::vector<ScorerFacts>()> source_;
};

}  // namespace berth::monitor
