#include "agentd/attempt_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agentd/output/output_reader.h"
#include "shim/shim_protocol.h"
#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class AttemptStoreTest : public ::testing::Test {
 protected:
  AttemptStoreTest() { EXPECT_TRUE(store_.Open().ok()); }

  void Write(const AttemptKey& key) {
    ProcessDriver::Prepared prepared;
    prepared.spec.arguments = {"true"};
    prepared.needs_script = true;
    prepared.needs_scratch = true;
    const absl::Status written = store_.Write(key, prepared, "#!/bin/sh\n", {});
    ASSERT_TRUE(written.ok()) << written;
  }

  void WriteFile(const std::string& path, const std::string& text) const {
    std::ofstream(path, std::ios::app) << text;
  }

  // Makes everything of the attempt look `age_ms` older than `now`.
  void Age(const AttemptKey& key, int64_t age_ms, int64_t now_ms) const {
    const timespec time = {(now_ms - age_ms) / 1000, 0};
    const timespec times[2] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, store_.Directory(key).c_str(), times, 0), 0);
  }

  static constexpr int64_t kNowMs = 1'800'000'000'000;
  static constexpr int64_t kHourMs = 3'600'000;
  const AttemptKey key_{12, 0, 3, 1};
  berth::testing::TempDir dir_;
  AttemptStore store_{dir_.path()};
};

bool Nobody(const AttemptKey&) { return false; }

TEST_F(AttemptStoreTest, WritesWhatAShimNeeds) {
  Write(key_);
  const auto spec = store_.ReadSpec(key_);
  ASSERT_TRUE(spec.ok());
  EXPECT_FALSE(spec->empty());
  struct stat info = {};
  ASSERT_EQ(stat(store_.Directory(key_).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0711u);
  ASSERT_EQ(stat(store_.Paths(key_).script.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0500u);
  ASSERT_EQ(stat(store_.Paths(key_).scratch.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_THAT(store_.List(), ElementsAre(key_));
}

TEST_F(AttemptStoreTest, WritesAgainOverAnEarlierTry) {
  Write(key_);
  Write(key_);
  EXPECT_TRUE(store_.ReadSpec(key_).ok());
}

TEST_F(AttemptStoreTest, RefusesASpecWithANul) {
  ProcessDriver::Prepared prepared;
  prepared.spec.arguments = {std::string("a\0b", 3)};
  EXPECT_EQ(store_.Write(key_, prepared, "", {}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AttemptStoreTest, LeavesNothingOfAnAttemptWithoutOutput) {
  Write(key_);
  WriteFile(store_.Paths(key_).output, "");
  WriteFile(store_.Directory(key_) + "/" + shim::kStatusFileName, "x");
  store_.Tidy(key_);
  EXPECT_FALSE(store_.Exists(key_));
  EXPECT_THAT(store_.List(), IsEmpty());
}

TEST_F(AttemptStoreTest, KeepsOutputAndWhatIsInTheScratch) {
  Write(key_);
  WriteFile(store_.Paths(key_).output, "hello");
  WriteFile(store_.Paths(key_).scratch + "/result", "42");
  store_.Tidy(key_);
  EXPECT_TRUE(fs::exists(store_.Paths(key_).output));
  EXPECT_TRUE(fs::exists(store_.Paths(key_).scratch + "/result"));
  EXPECT_FALSE(fs::exists(store_.Paths(key_).script));
  EXPECT_FALSE(store_.ReadSpec(key_).ok());
}

TEST_F(AttemptStoreTest, SweepsScratchAfterADayAndOutputAfterAWeek) {
  Write(key_);
  WriteFile(store_.Paths(key_).output, "hello");
  Age(key_, 23 * kHourMs, kNowMs);
  store_.Sweep(kNowMs, Nobody);
  EXPECT_TRUE(fs::exists(store_.Paths(key_).scratch));
  Age(key_, 25 * kHourMs, kNowMs);
  store_.Sweep(kNowMs, Nobody);
  EXPECT_FALSE(fs::exists(store_.Paths(key_).scratch));
  EXPECT_TRUE(fs::exists(store_.Paths(key_).output));
  // Removing the scratch directory did not make the output young again.
  store_.Sweep(kNowMs + 7 * 24 * kHourMs, Nobody);
  EXPECT_FALSE(store_.Exists(key_));
}

TEST_F(AttemptStoreTest, SweepsNothingOfALiveAttempt) {
  Write(key_);
  Age(key_, 30 * 24 * kHourMs, kNowMs);
  store_.Sweep(kNowMs, [](const AttemptKey&) { return true; });
  EXPECT_TRUE(fs::exists(store_.Paths(key_).scratch));
}

TEST_F(AttemptStoreTest, KnowsThatOutputMayHaveExpired) {
  EXPECT_FALSE(store_.MayHaveExpired(key_));
  Write(key_);
  WriteFile(store_.Paths(key_).output, "hello");
  Age(key_, 8 * 24 * kHourMs, kNowMs);
  store_.Sweep(kNowMs, Nobody);
  EXPECT_TRUE(store_.MayHaveExpired(key_));
  EXPECT_TRUE(store_.MayHaveExpired({11, 0, 0, 1}));
  EXPECT_FALSE(store_.MayHaveExpired({13, 0, 0, 1}));
}

TEST_F(AttemptStoreTest, CapsOutputAndLeavesOffsetsAsTheyAre) {
  Write(key_);
  const std::string path = store_.Paths(key_).output;
  const std::string mebibyte(1 << 20, 'x');
  std::ofstream out(path, std::ios::app);
  for (int i = 0; i < 130; ++i) out << mebibyte;
  out << "the end";
  out.close();
  store_.CapOutput(key_);
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, (130 << 20) + 7);
  EXPECT_LT(int64_t{info.st_blocks} * 512, 66 << 20);
  // A reader from the start passes over the hole and says so with the offset.
  OutputReader reader(path, std::nullopt);
  const auto chunk = reader.Next(1 << 16, INT64_MAX);
  ASSERT_TRUE(chunk.has_value());
  EXPECT_GE(chunk->offset, 65 << 20);
  EXPECT_EQ(chunk->data[0], 'x');
  OutputReader tail(path, 7);
  EXPECT_EQ(tail.Next(1 << 16, INT64_MAX)->data, "the end");
}

TEST_F(AttemptStoreTest, LeavesSmallerOutputAlone) {
  Write(key_);
  WriteFile(store_.Paths(key_).output, std::string(1 << 20, 'x'));
  store_.CapOutput(key_);
  OutputReader reader(store_.Paths(key_).output, std::nullopt);
  EXPECT_EQ(reader.Next(16, INT64_MAX)->offset, 0);
}

TEST(OutputReaderTest, GoesOnAsTheFileGrows) {
  berth::testing::TempDir dir;
  const std::string path = dir.path() + "/out";
  OutputReader reader(path, std::nullopt);
  EXPECT_FALSE(reader.Next(100, INT64_MAX).has_value());
  std::ofstream out(path, std::ios::app);
  out << "first" << std::flush;
  EXPECT_EQ(reader.Next(100, INT64_MAX)->data, "first");
  EXPECT_FALSE(reader.Next(100, INT64_MAX).has_value());
  out << " second" << std::flush;
  const auto chunk = reader.Next(4, INT64_MAX);
  EXPECT_EQ(chunk->offset, 5);
  EXPECT_EQ(chunk->data, " sec");
  EXPECT_EQ(reader.Next(100, 10)->data, "o");
  EXPECT_FALSE(reader.Next(100, 10).has_value());
}

}  // namespace
}  // namespace berth::agentd
