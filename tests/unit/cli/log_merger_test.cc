#include "cli/log_merger.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace berth::cli {
namespace {

class LogMergerTest : public ::testing::Test {
 protected:
  void Begin(bool follow, int sources = 1) {
    merger_.emplace(follow);
    for (int i = 0; i < sources; ++i) merger_->AddSource(now_ms_);
  }
  void Out(size_t source, int64_t unix_ms, const std::string& data) {
    merger_->Add(source, {false, unix_ms, data, {}}, now_ms_);
  }
  void Err(size_t source, int64_t unix_ms, const std::string& data) {
    merger_->Add(source, {true, unix_ms, data, {}}, now_ms_);
  }
  // "0a\n" of standard output of source 0, "1!b\n" of standard error of source 1; all in one.
  std::string Take() {
    std::string all;
    for (const LogMerger::Text& text : merger_->Take(now_ms_)) {
      all += std::to_string(text.source) + (text.is_stderr ? "!" : "") +
             (text.notice.empty() ? text.data : "<" + text.notice + ">");
    }
    return all;
  }

  int64_t now_ms_ = 1000;
  std::optional<LogMerger> merger_;
};

TEST_F(LogMergerTest, WhatWasWrittenFirstComesFirst) {
  Begin(false, 3);
  Out(0, 30, "c\n");
  Out(1, 10, "a\n");
  Out(1, 40, "d\n");
  Out(2, 20, "b\n");
  for (const size_t source : {0, 1, 2}) merger_->End(source);
  EXPECT_EQ(Take(), "1a\n2b\n0c\n1d\n");
  EXPECT_TRUE(merger_->done());
}

TEST_F(LogMergerTest, WithoutFollowingEveryTaskIsWaitedFor) {
  Begin(false, 2);
  Out(0, 30, "c\n");
  now_ms_ += 100'000;
  EXPECT_EQ(Take(), "");
  EXPECT_FALSE(merger_->due_ms(now_ms_).has_value());
  Out(1, 10, "a\n");
  EXPECT_EQ(Take(), "1a\n") << "it may have more from before 30";
  merger_->End(1);
  EXPECT_EQ(Take(), "0c\n");
}

TEST_F(LogMergerTest, FollowingASilentTaskIsWaitedForForAWhile) {
  Begin(true, 2);
  Out(0, 30, "c\n");
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(merger_->due_ms(now_ms_), now_ms_ + LogMerger::kHoldMs);
  now_ms_ += LogMerger::kHoldMs;
  EXPECT_EQ(Take(), "0c\n");
}

TEST_F(LogMergerTest, WithoutTimesTasksComeOneAfterAnother) {
  Begin(false, 2);
  Out(1, 0, "b\n");
  Out(0, 0, "a1\n");
  EXPECT_EQ(Take(), "0a1\n");
  Out(0, 0, "a2\n");
  merger_->End(0);
  merger_->End(1);
  EXPECT_EQ(Take(), "0a2\n1b\n");
}

TEST_F(LogMergerTest, LinesAreKeptWhole) {
  Begin(false);
  Out(0, 10, "hel");
  Err(0, 20, "oops\n");
  Out(0, 30, "lo\n");
  merger_->End(0);
  EXPECT_EQ(Take(), "0!oops\n0hello\n");
}

TEST_F(LogMergerTest, ALineWithoutAnEndComesAtTheEnd) {
  Begin(false);
  Out(0, 10, "hel");
  EXPECT_EQ(Take(), "");
  merger_->End(0);
  EXPECT_EQ(Take(), "0hel");
  EXPECT_TRUE(merger_->done());
}

TEST_F(LogMergerTest, FollowingAPromptIsShownAfterAWhile) {
  Begin(true);
  Out(0, 10, "name? ");
  EXPECT_EQ(Take(), "");
  now_ms_ = *merger_->due_ms(now_ms_);
  EXPECT_EQ(Take(), "0name? ");
  // Nobody cuts it for a while, and then somebody must.
  Err(0, 20, "tick\n");
  EXPECT_EQ(Take(), "");
  now_ms_ = *merger_->due_ms(now_ms_);
  EXPECT_EQ(Take(), "0!tick\n");
}

TEST_F(LogMergerTest, WhatWaitsForTheEndOfALineComesRightAfterIt) {
  Begin(true);
  Out(0, 10, "one");
  EXPECT_EQ(Take(), "");
  now_ms_ += LogMerger::kHoldMs;
  EXPECT_EQ(Take(), "0one");
  Err(0, 20, "two\n");
  Out(0, 30, " more\nthree\n");
  EXPECT_EQ(Take(), "0 more\n0!two\n0three\n");
}

TEST_F(LogMergerTest, ALineOfAnyLengthPassesInBoundedMemory) {
  Begin(false);
  const std::string piece(64 << 10, '\xff');
  size_t passed = 0;
  for (int i = 0; i < 1000; ++i) {
    Out(0, 10, piece);
    Err(0, 10, "x\n");
    size_t here = 0;
    for (const LogMerger::Text& text : merger_->Take(now_ms_)) {
      if (!text.is_stderr) here += text.data.size();
    }
    EXPECT_GE(here, piece.size()) << "it piles up";
    passed += here;
  }
  EXPECT_EQ(passed, 1000 * piece.size());
}

TEST_F(LogMergerTest, WhoIsSlowIsNotRunAheadOf) {
  Begin(false, 2);
  for (size_t i = 0; i < LogMerger::kMostPieces; ++i) {
    EXPECT_TRUE(merger_->Wants(0));
    Out(0, 10, "a\n");
  }
  EXPECT_FALSE(merger_->Wants(0));
  EXPECT_TRUE(merger_->Wants(1));
}

TEST_F(LogMergerTest, NoticesComeInTheirPlace) {
  Begin(false);
  Out(0, 10, "a\n");
  merger_->Add(0, {false, 0, {}, "2 bytes are gone"}, now_ms_);
  Out(0, 20, "b\n");
  merger_->End(0);
  EXPECT_EQ(Take(), "0a\n0<2 bytes are gone>0b\n");
}

}  // namespace
}  // namespace berth::cli
