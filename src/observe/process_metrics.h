// What /metrics says of the process itself, under the names that every exporter uses.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace berth::observe {

// CPU time, memory, threads, open files and start of this process, from /proc, and the program's
// version. What cannot be read is left out.
//
// Threading: any thread. Cost: some reads of /proc, and one for each open file.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  // `version` as in "0.1.0". `cluster_name` is a second label of the version's metric, when there
  // is one.
  explicit ProcessMetrics(std::string version, std::string cluster_name = "");

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string version_;
  const std::string cluster_name_;
};

}  // namespace berth::observe
