#include "monitor/store_metrics.h"

#include "observe/families.h"

namespace berth::monitor {

std::vector<prometheus::MetricFamily> StoreMetrics::Collect() const {
  const StoreSizes sizes = source_();
  return {observe::GaugeFamily("berth_store_disk_bytes", "Files of the store.",
                               static_cast<double>(sizes.disk_bytes)),
          observe::GaugeFamily("berth_store_memory_bytes", "Write buffers and caches of the store.",
                               static_cast<double>(sizes.memory_bytes)),
          observe::GaugeFamily("berth_store_disk_free_bytes",
                               "Room that is left on the store's file system.",
                               static_cast<double>(sizes.disk_free_bytes)),
          observe::GaugeFamily("berth_output_tails_bytes", "Kept ends of tasks' output.",
                               static_cast<double>(sizes.output_tails_bytes)),
          observe::CounterFamily("berth_output_tails_dropped_total",
                                 "Ends of tasks' output that could not be kept.",
                                 static_cast<double>(sizes.output_tails_dropped))};
}

}  // namespace berth::monitor
