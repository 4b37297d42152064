#include "agentd/probe/gpu_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/await.h"
#include "tests/unit/agentd/fake_gpus.h"

namespace berth::agentd {
namespace {

using berth::testing::Await;

constexpr char kOne[] = "gpu uuid=GPU-a name=NVIDIA_L4 memory=1000 util=1 pci=00000000:07:00.0\n";
constexpr char kHangs[] =
    "gpu uuid=GPU-a name=NVIDIA_L4 memory=1000 util=1 pci=00000000:07:00.0\nhang\n";

class GpuMonitorTest : public ::testing::Test {
 protected:
  static GpuMonitor::Options Options() {
    GpuMonitor::Options options;
    options.library = FakeGpus::Library();
    options.interval = std::chrono::milliseconds(1);
    options.retry = std::chrono::milliseconds(1);
    return options;
  }
  static std::string ReasonOf(const GpuMonitor& monitor) {
    const GpuReading reading = monitor.Latest();
    return reading.devices.empty() ? "none" : reading.devices[0].unhealthy_reason;
  }
};

TEST_F(GpuMonitorTest, ReadsAgainAndTellsOfChanges) {
  const FakeGpus gpus(kOne);
  std::atomic<int> told = 0;
  GpuMonitor monitor(Options(), [&] { ++told; });
  ASSERT_TRUE(monitor.AwaitFirst(std::chrono::minutes(1)).ok());
  EXPECT_EQ(monitor.Latest().devices.size(), 1u);
  EXPECT_EQ(monitor.Latest().usage[0].utilisation_percent, 1);
  ASSERT_TRUE(Await([&] { return told == 1; }));
  gpus.Set("gpu uuid=GPU-a name=NVIDIA_L4 memory=1000 util=70 pci=00000000:07:00.0\n");
  ASSERT_TRUE(Await([&] { return monitor.Latest().usage[0].utilisation_percent == 70; }));
  EXPECT_EQ(told, 1);
  gpus.Set("gpu uuid=GPU-a name=NVIDIA_L4 fault=15 pci=00000000:07:00.0\n");
  ASSERT_TRUE(Await([&] { return told == 2; }));
  EXPECT_EQ(ReasonOf(monitor), "the GPU has fallen off the bus");
}

TEST_F(GpuMonitorTest, ADriverThatHangsMakesItsGpusSickUntilItAnswers) {
  const FakeGpus gpus(kOne);
  GpuMonitor::Options options = Options();
  options.patience = std::chrono::milliseconds(500);
  GpuMonitor monitor(options, [] {});
  ASSERT_TRUE(monitor.AwaitFirst(std::chrono::minutes(1)).ok());
  EXPECT_EQ(ReasonOf(monitor), "");
  gpus.Set(kHangs);
  ASSERT_TRUE(Await([&] { return ReasonOf(monitor) == "NVIDIA's driver does not answer"; }));
  EXPECT_TRUE(monitor.Latest().usage.empty());
  gpus.Set(kOne);
  ASSERT_TRUE(Await([&] { return ReasonOf(monitor).empty(); }));
}

TEST_F(GpuMonitorTest, ADriverThatHangsFromTheStartIsNotWaitedForForEver) {
  const FakeGpus gpus(kHangs);
  GpuMonitor monitor(Options(), [] {});
  EXPECT_TRUE(absl::IsDeadlineExceeded(monitor.AwaitFirst(std::chrono::milliseconds(20))));
  EXPECT_TRUE(monitor.Latest().devices.empty());
  gpus.Set(kOne);
  ASSERT_TRUE(Await([&] { return ReasonOf(monitor).empty(); }));
}

TEST_F(GpuMonitorTest, ADriverMayBeLoadedLater) {
  const FakeGpus gpus;
  std::atomic<int> told = 0;
  GpuMonitor monitor(Options(), [&] { ++told; });
  EXPECT_TRUE(absl::IsNotFound(monitor.AwaitFirst(std::chrono::minutes(1))));
  gpus.Set(kOne);
  ASSERT_TRUE(Await([&] { return told == 1; }));
  EXPECT_EQ(monitor.Latest().devices.size(), 1u);
}

}  // namespace
}  // namespace berth::agentd
