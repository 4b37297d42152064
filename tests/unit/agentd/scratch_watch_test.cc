#include "agentd/scratch/scratch_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/mutex.h"
#include "tests/support/await.h"
#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

using berth::testing::Await;
using ::testing::HasSubstr;

constexpr int64_t kMebibyte = 1 << 20;
constexpr std::chrono::milliseconds kPeriod{1};

class ScratchWatchTest : public ::testing::Test {
 protected:
  void Fill(const std::string& name, int64_t bytes) {
    std::filesystem::create_directories(dir_.path() + "/" + name + "/x");
    std::ofstream(dir_.path() + "/" + name + "/x/file") << std::string(bytes, 'x');
  }
  ScratchWatch::Report Noting() {
    return [this](const AttemptKey& key, const std::string& why) {
      base::MutexLock lock(mutex_);
      told_.emplace_back(key, why);
    };
  }
  std::vector<std::pair<AttemptKey, std::string>> told() {
    base::MutexLock lock(mutex_);
    return told_;
  }

  berth::testing::TempDir dir_;
  base::Mutex mutex_;
  std::vector<std::pair<AttemptKey, std::string>> told_;
};

TEST_F(ScratchWatchTest, MeasuresWhatATreeTakesUp) {
  Fill("a", 3 * kMebibyte);
  const int64_t bytes = MeasureTree(dir_.path() + "/a").bytes;
  EXPECT_GE(bytes, 3 * kMebibyte);
  EXPECT_LT(bytes, 4 * kMebibyte);
  EXPECT_EQ(MeasureTree(dir_.path() + "/none").bytes, 0);
}

TEST_F(ScratchWatchTest, CountsAFileOfTwoNamesOnceAndFollowsNoLinks) {
  Fill("a", kMebibyte);
  Fill("b", 8 * kMebibyte);
  const std::string a = dir_.path() + "/a";
  std::filesystem::create_hard_link(a + "/x/file", a + "/second");
  std::filesystem::create_symlink(dir_.path() + "/b", a + "/away");
  EXPECT_LT(MeasureTree(a).bytes, 2 * kMebibyte);
}

TEST_F(ScratchWatchTest, TellsOnceOfWhatTakesUpMoreThanItAskedFor) {
  Fill("a", 3 * kMebibyte);
  Fill("b", 3 * kMebibyte);
  ScratchWatch watch({dir_.path(), 0, kPeriod}, Noting());
  watch.Watch({1, 0, 0, 1}, dir_.path() + "/a", "", 2 * kMebibyte);
  watch.Watch({2, 0, 0, 1}, dir_.path() + "/b", "", 4 * kMebibyte);
  ASSERT_TRUE(Await([&] { return !told().empty() && watch.Bytes({2, 0, 0, 1}) > 0; }));
  ASSERT_EQ(told().size(), 1u);
  EXPECT_EQ(told()[0].first.job_id, 1u);
  EXPECT_THAT(told()[0].second, HasSubstr("asked for 2Mi"));
  EXPECT_GE(watch.Bytes({1, 0, 0, 1}), 3 * kMebibyte);
  watch.Unwatch({1, 0, 0, 1});
  EXPECT_TRUE(Await([&] { return watch.Bytes({1, 0, 0, 1}) == 0; }));
}

TEST_F(ScratchWatchTest, WhatIsWrittenOverAnImageCounts) {
  Fill("scratch", kMebibyte);
  Fill("upper", 2 * kMebibyte);
  ScratchWatch watch({dir_.path(), 0, kPeriod}, Noting());
  watch.Watch({1, 0, 0, 1}, dir_.path() + "/scratch", dir_.path() + "/upper", 2 * kMebibyte);
  ASSERT_TRUE(Await([&] { return !told().empty(); }));
  EXPECT_THAT(told()[0].second, HasSubstr("over its image take up 3"));
}

TEST_F(ScratchWatchTest, OnAFullDiskTellsOfTheOneThatIsFurthestBeyondWhatItAskedFor) {
  Fill("a", 3 * kMebibyte);
  Fill("b", 2 * kMebibyte);
  // Nearly full: less than all the room in the world.
  ScratchWatch watch({dir_.path(), INT64_MAX, kPeriod}, Noting());
  watch.Watch({1, 0, 0, 1}, dir_.path() + "/a", "", 8 * kMebibyte);
  watch.Watch({2, 0, 0, 1}, dir_.path() + "/b", "", 0);
  ASSERT_TRUE(Await([&] { return !told().empty(); }));
  EXPECT_EQ(told()[0].first.job_id, 2u);
  EXPECT_THAT(told()[0].second, HasSubstr("nearly full"));
}

TEST(MostOverfullTest, NobodyWhenNobodyTakesMoreThanItAskedFor) {
  EXPECT_FALSE(MostOverfull({}).has_value());
  EXPECT_FALSE(MostOverfull({{{1, 0, 0, 1}, {10, 10}}}).has_value());
}

}  // namespace
}  // namespace berth::agentd
