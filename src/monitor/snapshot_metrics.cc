#include "monitor/snapshot_metrics.h"

#include "observe/families.h"

namespace berth::monitor {

std::vector<prometheus::MetricFamily> SnapshotMetrics::Collect() const {
  const SnapshotFacts facts = source_();
  return {observe::GaugeFamily("berth_snapshot_last_success_timestamp_seconds",
                               "When berthd's own newest snapshot was made, in seconds since 1970.",
                               static_cast<double>(facts.last_success_unix_ms) / 1000),
          observe::GaugeFamily("berth_snapshot_last_size_bytes",
                               "Size of berthd's own newest snapshot.",
                               static_cast<double>(facts.last_bytes)),
          observe::CounterFamily("berth_snapshot_failures_total",
                                 "Snapshots of berthd's own that could not be saved.",
                                 static_cast<double>(facts.failures))};
}

}  // namespace berth::monitor
