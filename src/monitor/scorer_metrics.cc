#include "monitor/scorer_metrics.h"

#include <array>

#include "observe/families.h"

namespace berth::monitor {

using observe::AddMetric;
using scheduler::LatencyHistogram;

std::vector<prometheus::MetricFamily> ScorerMetrics::Collect() const {
  auto calls = observe::EmptyCounterFamily("berth_scorer_calls_total",
                                           "Calls of scorers outside, by how they ended.");
  auto breaker = observe::EmptyGaugeFamily(
      "berth_scorer_breaker_state",
      "Whether a scorer is asked: 0 closed, it is; 1 half open, it is tried; 2 open, it is not.");
  auto success = observe::EmptyGaugeFamily(
      "berth_scorer_last_success_timestamp_seconds",
      "When a scorer's scores last reached the loop, in seconds since 1970.");
  auto epoch = observe::EmptyGaugeFamily("berth_scorer_epoch",
                                         "Epoch of the state that a scorer has scored last.");
  prometheus::MetricFamily durations;
  for (const ScorerFacts& facts : source_()) {
    const observe::Labels labels = {{"profile", facts.profile}};
    for (const auto& [result, count] : facts.calls) {
      AddMetric(calls, {{"profile", facts.profile}, {"result", result}},
                static_cast<double>(count));
    }
    AddMetric(breaker, labels, facts.breaker);
    AddMetric(success, labels, static_cast<double>(facts.last_success_unix_ms) / 1000);
    AddMetric(epoch, labels, static_cast<double>(facts.epoch));
    std::array<double, LatencyHistogram::kBuckets - 1> bounds;
    for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = LatencyHistogram::Bound(i);
    auto of_one = observe::HistogramFamily("berth_scorer_call_duration_seconds",
                                           "Time that a call of a scorer takes.",
                                           facts.duration.counts, bounds, facts.duration.sum_s);
    of_one.metric.front().label.push_back({"profile", facts.profile});
    if (durations.name.empty()) {
      durations = std::move(of_one);
    } else {
      durations.metric.push_back(std::move(of_one.metric.front()));
    }
  }
  std::vector<prometheus::MetricFamily> families;
  if (durations.name.empty()) return families;
  families.push_back(std::move(calls));
  families.push_back(std::move(durations));
  families.push_back(std::move(breaker));
  families.push_back(std::move(success));
  families.push_back(std::move(epoch));
  return families;
}

}  // namespace berth::monitor
