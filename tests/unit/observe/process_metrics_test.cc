#include "observe/process_metrics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <map>
#include <string>

#include "base/unique_fd.h"

namespace berth::observe {
namespace {

// The one value of each family.
std::map<std::string, double> Collect() {
  std::map<std::string, double> values;
  for (const auto& family : ProcessMetrics("1.2.3").Collect()) {
    EXPECT_EQ(family.metric.size(), 1u) << family.name;
    const bool is_counter = family.type == prometheus::MetricType::Counter;
    values[family.name] =
        is_counter ? family.metric[0].counter.value : family.metric[0].gauge.value;
  }
  return values;
}

TEST(ProcessMetricsTest, SaysWhichVersionRuns) {
  const auto families = ProcessMetrics("1.2.3").Collect();
  EXPECT_EQ(families[0].name, "berth_build_info");
  EXPECT_EQ(families[0].metric[0].label[0].value, "1.2.3");
  EXPECT_EQ(families[0].metric[0].gauge.value, 1);
}

TEST(ProcessMetricsTest, SaysWhoseClusterItIs) {
  const auto families = ProcessMetrics("1.2.3", "lab-1").Collect();
  ASSERT_EQ(families[0].metric[0].label.size(), 2u);
  EXPECT_EQ(families[0].metric[0].label[1].name, "cluster");
  EXPECT_EQ(families[0].metric[0].label[1].value, "lab-1");
}

TEST(ProcessMetricsTest, CountsOpenFiles) {
  const double before = Collect().at("process_open_fds");
  const base::UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(Collect().at("process_open_fds"), before + 1);
  EXPECT_GE(Collect().at("process_max_fds"), before);
}

TEST(ProcessMetricsTest, MemoryIsInBytes) {
  const double before = Collect().at("process_resident_memory_bytes");
  EXPECT_GT(before, 1 << 20);
  const std::string held(64 << 20, 'x');
  const double after = Collect().at("process_resident_memory_bytes");
  EXPECT_GT(after - before, 60 << 20) << held.size();
  EXPECT_GE(Collect().at("process_virtual_memory_bytes"), after);
}

TEST(ProcessMetricsTest, CpuTimeIsInSecondsAndRises) {
  const double before = Collect().at("process_cpu_seconds_total");
  // Until the process has used a fifth of a second more, by its own clock.
  const std::clock_t until = std::clock() + CLOCKS_PER_SEC / 5;
  while (std::clock() < until) {
  }
  const double used = Collect().at("process_cpu_seconds_total") - before;
  EXPECT_GT(used, 0.15);
  EXPECT_LT(used, 60);
}

TEST(ProcessMetricsTest, StartedInThePast) {
  const double start = Collect().at("process_start_time_seconds");
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_LE(start, now + 2);
  EXPECT_GT(start, now - 86'400);
  EXPECT_GE(Collect().at("process_threads"), 1);
}

}  // namespace
}  // namespace berth::observe
