#include "observe/families.h"

#include <limits>

#include "base/check.h"

namespace berth::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric Metric(MetricType type, double value) {
  ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

MetricFamily Family(MetricType type, std::string name, std::string help) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

MetricFamily Single(MetricType type, std::string name, std::string help, double value) {
  MetricFamily family = Family(type, std::move(name), std::move(help));
  family.metric.push_back(Metric(type, value));
  return family;
}

MetricFamily Labelled(MetricType type, std::string name, std::string help, const std::string& label,
                      const ByLabel& values) {
  MetricFamily family = Family(type, std::move(name), std::move(help));
  for (const auto& [label_value, value] : values) {
    ClientMetric metric = Metric(type, value);
    metric.label.push_back({label, label_value});
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

MetricFamily CounterFamily(std::string name, std::string help, double value) {
  return Single(MetricType::Counter, std::move(name), std::move(help), value);
}

MetricFamily CounterFamily(std::string name, std::string help, const std::string& label,
                           const ByLabel& values) {
  return Labelled(MetricType::Counter, std::move(name), std::move(help), label, values);
}

MetricFamily GaugeFamily(std::string name, std::string help, double value) {
  return Single(MetricType::Gauge, std::move(name), std::move(help), value);
}

MetricFamily GaugeFamily(std::string name, std::string help, const std::string& label,
                         const ByLabel& values) {
  return Labelled(MetricType::Gauge, std::move(name), std::move(help), label, values);
}

MetricFamily EmptyCounterFamily(std::string name, std::string help) {
  return Family(MetricType::Counter, std::move(name), std::move(help));
}

MetricFamily EmptyGaugeFamily(std::string name, std::string help) {
  return Family(MetricType::Gauge, std::move(name), std::move(help));
}

void AddMetric(MetricFamily& family, const Labels& labels, double value) {
  ClientMetric metric = Metric(family.type, value);
  for (const auto& [name, text] : labels) metric.label.push_back({name, text});
  family.metric.push_back(std::move(metric));
}

MetricFamily HistogramFamily(std::string name, std::string help, std::span<const uint64_t> counts,
                             std::span<const double> bounds, double sum) {
  BERTH_CHECK(counts.size() == bounds.size() + 1) << name << " has not a bound for each bucket";
  MetricFamily family = Family(MetricType::Histogram, std::move(name), std::move(help));
  ClientMetric metric;
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({.cumulative_count = total, .upper_bound = bound});
  }
  metric.histogram.sample_count = total;
  metric.histogram.sample_sum = sum;
  family.metric.push_back(std::move(metric));
  return family;
}

}  // namespace berth::observe
