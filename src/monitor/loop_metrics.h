// What /metrics says of the cluster and of the loop.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

#include "base/clock.h"
#include "monitor/loop_check.h"

namespace berth::monitor {

// Reads the loop's published snapshot: nothing in the loop knows of metrics, and collecting takes
// no lock that it holds. Without a snapshot there is nothing to show.
//
// Threading: any thread. Cost: O(metrics), whatever the size of the cluster.
class LoopMetrics final : public prometheus::Collectable {
 public:
  LoopMetrics(SnapshotSource source, const base::Clock& clock);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const SnapshotSource source_;
  const base::Clock& clock_;
};

}  // namespace berth::monitor
