#include "base/clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <fstream>

#include "tests/support/fake_clock.h"

namespace berth::base {
namespace {

using ::berth::testing::FakeClock;

TEST(SystemClockTest, CountsMonotonicMillisecondsSinceBoot) {
  const SystemClock clock;
  double uptime_s = 0;
  const std::int64_t before = clock.MonotonicMs();
  std::ifstream("/proc/uptime") >> uptime_s;
  const std::int64_t after = clock.MonotonicMs();
  ASSERT_GT(uptime_s, 0);
  // /proc/uptime has hundredths of a second, cut off.
  EXPECT_LE(before, static_cast<std::int64_t>(uptime_s * 1000) + 10);
  EXPECT_GE(after, static_cast<std::int64_t>(uptime_s * 1000));
}

TEST(SystemClockTest, CountsWallMillisecondsSince1970) {
  const auto now = [] {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
  };
  const std::int64_t before = now();
  const std::int64_t read = SystemClock().WallMs();
  EXPECT_GE(read, before);
  EXPECT_LE(read, now());
}

TEST(FakeClockTest, StandsStillUntilMoved) {
  FakeClock clock;
  EXPECT_EQ(clock.MonotonicMs(), FakeClock::kStartMonotonicMs);
  clock.Advance(250);
  EXPECT_EQ(clock.MonotonicMs(), FakeClock::kStartMonotonicMs + 250);
  EXPECT_EQ(clock.WallMs(), FakeClock::kStartWallMs + 250);
}

TEST(FakeClockTest, WallTimeMayJumpWithoutMovingMonotonicTime) {
  FakeClock clock;
  clock.JumpWallTo(0);
  EXPECT_EQ(clock.WallMs(), 0);
  EXPECT_EQ(clock.MonotonicMs(), FakeClock::kStartMonotonicMs);
}

}  // namespace
}  // namespace berth::base
