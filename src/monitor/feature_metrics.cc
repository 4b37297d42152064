#include "monitor/feature_metrics.h"

#include <utility>

#include "observe/families.h"

namespace berth::monitor {
namespace {

using observe::AddMetric;

prometheus::MetricFamily CounterOf(const char* name, const char* help, uint64_t value) {
  auto family = observe::EmptyCounterFamily(name, help);
  AddMetric(family, {}, static_cast<double>(value));
  return family;
}

prometheus::MetricFamily GaugeOf(const char* name, const char* help, double value) {
  auto family = observe::EmptyGaugeFamily(name, help);
  AddMetric(family, {}, value);
  return family;
}

}  // namespace

std::vector<prometheus::MetricFamily> FeatureMetrics::Collect() const {
  const FeatureFacts facts = source_();
  std::vector<prometheus::MetricFamily> families;
  families.push_back(CounterOf("berth_feature_groups_read_total",
                               "Groups of jobs whose features were read.", facts.groups_read));
  families.push_back(CounterOf("berth_feature_ends_learned_total",
                               "Ended attempts that history has learned.", facts.ends_learned));
  families.push_back(CounterOf("berth_feature_ends_without_record_total",
                               "Of these, those of jobs of which no reading was kept.",
                               facts.ends_without_record));
  families.push_back(
      CounterOf("berth_feature_layer_switches_total",
                "Times that a layer was switched off for being worse than the one below, or on.",
                facts.switches));
  families.push_back(GaugeOf("berth_feature_history_groups",
                             "Groups of alike tasks that history knows.", facts.history_groups));
  families.push_back(
      GaugeOf("berth_feature_history_bytes", "Memory that history takes.", facts.history_bytes));

  auto outcomes = observe::EmptyCounterFamily("berth_feature_outcomes_total",
                                              "Predictions that were compared with what was used.");
  auto over = observe::EmptyCounterFamily("berth_feature_over_total",
                                          "Of these, those that said more than was used.");
  auto under =
      observe::EmptyCounterFamily("berth_feature_under_total", "Of these, those that said less.");
  auto mean = observe::EmptyGaugeFamily(
      "berth_feature_mean_error_ratio",
      "Mean distance of recent predictions from what was used, as a ratio of that.");
  auto median = observe::EmptyGaugeFamily(
      "berth_feature_median_error_ratio",
      "Median distance of recent predictions from what was used, as a ratio of that.");
  auto coverage = observe::EmptyGaugeFamily(
      "berth_feature_interval_coverage_ratio",
      "Part of recent outcomes that lay in the interval that was predicted.");
  auto in_use = observe::EmptyGaugeFamily(
      "berth_feature_layer_in_use",
      "1: what the source says of the field is used; 0: it has switched itself off.");
  for (const FeatureFacts::Calibration& one : facts.calibration) {
    const observe::Labels labels = {{"field", one.field}, {"source", one.source}};
    AddMetric(outcomes, labels, static_cast<double>(one.outcomes));
    AddMetric(over, labels, static_cast<double>(one.over));
    AddMetric(under, labels, static_cast<double>(one.under));
    AddMetric(mean, labels, one.mean_error_ratio);
    AddMetric(median, labels, one.median_error_ratio);
    if (one.coverage_ratio >= 0) AddMetric(coverage, labels, one.coverage_ratio);
    AddMetric(in_use, labels, one.in_use ? 1 : 0);
  }
  for (auto* family : {&outcomes, &over, &under, &mean, &median, &coverage, &in_use}) {
    if (!family->metric.empty()) families.push_back(std::move(*family));
  }
  return families;
}

}  // namespace berth::monitor
