// Short ways to write down what /metrics shows.
//
// Names are in base units, under berth_ (process_ for what every process has), and have no
// unbounded labels: no users, no ids. docs/metrics.md lists them, and a test compares.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace berth::observe {

// Values of one family by the value of its one label.
using ByLabel = std::vector<std::pair<std::string, double>>;

// A sum that only rises within a process; its name ends in _total.
prometheus::MetricFamily CounterFamily(std::string name, std::string help, double value);
prometheus::MetricFamily CounterFamily(std::string name, std::string help, const std::string& label,
                                       const ByLabel& values);

prometheus::MetricFamily GaugeFamily(std::string name, std::string help, double value);
prometheus::MetricFamily GaugeFamily(std::string name, std::string help, const std::string& label,
                                     const ByLabel& values);

// Of families with several labels, metric by metric. REQUIRES: the family is of that type.
using Labels = std::vector<std::pair<std::string, std::string>>;
prometheus::MetricFamily EmptyCounterFamily(std::string name, std::string help);
prometheus::MetricFamily EmptyGaugeFamily(std::string name, std::string help);
void AddMetric(prometheus::MetricFamily& family, const Labels& labels, double value);

// `counts` by bucket, each on its own; `bounds` are the upper bounds of all buckets but the last,
// which has none. `sum` is of the observations, in the name's unit. REQUIRES: counts.size() ==
// bounds.size() + 1; bounds rise.
prometheus::MetricFamily HistogramFamily(std::string name, std::string help,
                                         std::span<const uint64_t> counts,
                                         std::span<const double> bounds, double sum);

}  // namespace berth::observe
