#include "store/output_tail_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/support/temp_dir.h"

namespace berth::store {
namespace {

class OutputTailStoreTest : public ::testing::Test {
 protected:
  OutputTailStoreTest() { Open(); }

  void Open() {
    tails_ = OutputTailStore::Open(options_, [this](const std::string&) { return free_.load(); });
  }
  void Reopen() {
    tails_.reset();
    Open();
  }
  static state::AgentAttempt Attempt(uint64_t job, uint32_t index = 0, uint32_t attempt = 1) {
    return {.job = JobId{job}, .group = 0, .index = index, .attempt = attempt};
  }
  void Put(const std::string& node, const state::AgentAttempt& attempt, std::string data,
           int64_t offset = 0, bool is_error = false) {
    tails_->Put(node, {{attempt, is_error, offset, std::move(data)}}, [this] { ++taken_; });
    tails_->Flush();
  }
  // "100:text"; empty: nothing is kept.
  std::string Kept(const std::string& node, const state::AgentAttempt& attempt,
                   bool is_error = false) {
    const auto tail = tails_->Get(node, attempt, is_error);
    return tail ? std::to_string(tail->offset) + ":" + tail->data : "";
  }

  testing::TempDir folder_;
  OutputTailStoreOptions options_ = {.directory = folder_.path() + "/tails", .most_bytes = 1 << 20};
  std::atomic<uint64_t> free_ = uint64_t{1} << 40;
  std::atomic<int> taken_ = 0;
  std::unique_ptr<OutputTailStore> tails_;
};

TEST_F(OutputTailStoreTest, TheLastThatANodeSaidIsKept) {
  Put("n1", Attempt(12, 3), "first");
  Put("n1", Attempt(12, 3), "second", 100);
  Put("n1", Attempt(12, 3), "oops", 7, true);
  EXPECT_EQ(Kept("n1", Attempt(12, 3)), "100:second");
  EXPECT_EQ(Kept("n1", Attempt(12, 3), true), "7:oops");
  EXPECT_EQ(Kept("n1", Attempt(12, 3, 2)), "");
  EXPECT_EQ(taken_, 3);
}

TEST_F(OutputTailStoreTest, AnotherNodeDoesNotReplaceIt) {
  Put("n1", Attempt(12), "mine");
  Put("n2", Attempt(12), "forged");
  EXPECT_EQ(Kept("n1", Attempt(12)), "0:mine");
}

TEST_F(OutputTailStoreTest, ItLastsAndIsCountedAgain) {
  Put("n1", Attempt(12), std::string("\0\xff\n", 3));
  const int64_t bytes = tails_->stats().bytes;
  Reopen();
  tails_->Flush();
  EXPECT_EQ(Kept("n1", Attempt(12)), std::string("0:") + std::string("\0\xff\n", 3));
  EXPECT_EQ(tails_->stats().bytes, bytes);
}

TEST_F(OutputTailStoreTest, TheOldestJobsGoFirstWhenThereIsTooMuch) {
  for (uint64_t job = 1; job <= 40; ++job) Put("n1", Attempt(job), std::string(32 << 10, 'x'));
  EXPECT_LE(tails_->stats().bytes, options_.most_bytes);
  EXPECT_EQ(Kept("n1", Attempt(1)), "");
  EXPECT_NE(Kept("n1", Attempt(40)), "");
  // Of one job of many tasks the first go; what is replaced counts once.
  for (uint32_t index = 0; index < 40; ++index) {
    Put("n1", Attempt(50, index), std::string(32 << 10, 'x'));
    Put("n1", Attempt(50, index), std::string(32 << 10, 'y'));
  }
  EXPECT_LE(tails_->stats().bytes, options_.most_bytes);
  EXPECT_GT(tails_->stats().bytes, options_.most_bytes * 9 / 10);
  EXPECT_EQ(Kept("n1", Attempt(50, 0)), "");
  EXPECT_NE(Kept("n1", Attempt(50, 39)), "");
}

TEST_F(OutputTailStoreTest, ItGoesWithItsJob) {
  Put("n1", Attempt(12, 1), "a");
  Put("n2", Attempt(12, 2), "b");
  Put("n1", Attempt(13), "c");
  Put("n1", Attempt(14), "d");
  tails_->Forget({JobId{12}, JobId{99}});
  tails_->ForgetMissing([](JobId job) { return job != JobId{13}; });
  tails_->Flush();
  EXPECT_EQ(Kept("n1", Attempt(12, 1)), "");
  EXPECT_EQ(Kept("n2", Attempt(12, 2)), "");
  EXPECT_EQ(Kept("n1", Attempt(13)), "");
  EXPECT_EQ(Kept("n1", Attempt(14)), "0:d");
}

TEST_F(OutputTailStoreTest, NothingIsWrittenOnADiskThatIsAlmostFull) {
  free_ = options_.refuse_below_bytes - 1;
  Put("n1", Attempt(12), "a");
  EXPECT_EQ(Kept("n1", Attempt(12)), "");
  EXPECT_EQ(tails_->stats().dropped, 1);
  EXPECT_EQ(taken_, 1) << "whoever says it must be let go on";
  free_ = uint64_t{1} << 40;
  Put("n1", Attempt(12), "b");
  EXPECT_EQ(Kept("n1", Attempt(12)), "0:b");
}

TEST_F(OutputTailStoreTest, ADamagedDirectoryIsMadeAnew) {
  Put("n1", Attempt(12), "a");
  tails_.reset();
  for (const auto& file : std::filesystem::directory_iterator(options_.directory)) {
    if (file.is_regular_file()) std::ofstream(file.path(), std::ios::trunc) << "no such thing";
  }
  Open();
  Put("n1", Attempt(13), "b");
  EXPECT_EQ(Kept("n1", Attempt(13)), "0:b");
}

TEST_F(OutputTailStoreTest, NothingIsKeptWhenNothingMayBe) {
  options_.most_bytes = 0;
  options_.directory = folder_.path() + "/none";
  Reopen();
  Put("n1", Attempt(12), "a");
  EXPECT_EQ(Kept("n1", Attempt(12)), "");
  EXPECT_EQ(taken_, 1);
  EXPECT_FALSE(std::filesystem::exists(options_.directory));
}

}  // namespace
}  // namespace berth::store
