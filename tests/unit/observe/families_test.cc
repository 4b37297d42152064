#include "observe/families.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <string>

namespace berth::observe {
namespace {

std::string Text(const prometheus::MetricFamily& family) {
  return prometheus::TextSerializer().Serialize({family});
}

TEST(FamiliesTest, ACounterIsOneLine) {
  EXPECT_EQ(Text(CounterFamily("berth_things_total", "Things.", 3)),
            "# HELP berth_things_total Things.\n"
            "# TYPE berth_things_total counter\n"
            "berth_things_total 3\n");
}

TEST(FamiliesTest, AGaugeHasALineForEachLabelValue) {
  EXPECT_EQ(Text(GaugeFamily("berth_tasks", "Tasks.", "state", {{"queued", 2}, {"running", 0.5}})),
            "# HELP berth_tasks Tasks.\n"
            "# TYPE berth_tasks gauge\n"
            "berth_tasks{state=\"queued\"} 2\n"
            "berth_tasks{state=\"running\"} 0.5\n");
}

TEST(FamiliesTest, AHistogramAddsItsBucketsUp) {
  const std::array<uint64_t, 3> counts = {1, 0, 4};
  const std::array<double, 2> bounds = {0.5, 1};
  EXPECT_EQ(Text(HistogramFamily("berth_wait_seconds", "Wait.", counts, bounds, 12.5)),
            "# HELP berth_wait_seconds Wait.\n"
            "# TYPE berth_wait_seconds histogram\n"
            "berth_wait_seconds_count 5\n"
            "berth_wait_seconds_sum 12.5\n"
            "berth_wait_seconds_bucket{le=\"0.5\"} 1\n"
            "berth_wait_seconds_bucket{le=\"1\"} 1\n"
            "berth_wait_seconds_bucket{le=\"+Inf\"} 5\n");
}

}  // namespace
}  // namespace berth::observe
