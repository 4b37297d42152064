#include "cli/run_screen.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace berth::cli {
namespace {

using Kind = RunScreen::Ending::Kind;

// Both streams in the order of their writes, as a terminal shows them.
class Screen {
 public:
  class Sink final : public ByteSink {
   public:
    explicit Sink(std::vector<std::string*> targets) : targets_(std::move(targets)) {}
    void Write(std::string_view bytes) override {
      for (std::string* target : targets_) *target += bytes;
    }
    bool failed() const override { return false; }

   private:
    std::vector<std::string*> targets_;
  };

  std::string both;
  std::string out;
  std::string err;
  Sink out_sink{{&both, &out}};
  Sink err_sink{{&both, &err}};
};

class RunScreenTest : public ::testing::Test {
 protected:
  RunScreen Make(bool terminal, bool quiet = false, int columns = 100) {
    return RunScreen({.terminal = terminal, .quiet = quiet, .columns = columns}, &screen_.out_sink,
                     &screen_.err_sink);
  }
  static void Start(RunScreen& run) {
    run.Submitted("1");
    run.Station("node-a");
    run.Station("running");
    run.Rest();
  }

  Screen screen_;
};

TEST_F(RunScreenTest, OneShortLineOfOutputIsTakenIntoTheLine) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "42\n", 1000);
  EXPECT_EQ(run.tick_at_ms(), 1000 + RunScreen::kHoldMs);
  run.Ended({Kind::kSucceeded, "0.1s, 9Mi peak", ""});
  EXPECT_EQ(screen_.both, "job 1: queued → node-a → running → 42 → succeeded (0.1s, 9Mi peak)\n");
}

TEST_F(RunScreenTest, TheLineGrowsAsThingsHappen) {
  RunScreen run = Make(true);
  run.Submitted("1");
  EXPECT_EQ(screen_.err, "job 1: queued");
  run.Station("node-a");
  EXPECT_EQ(screen_.err, "job 1: queued → node-a");
  run.Station("node-a");
  EXPECT_EQ(screen_.err, "job 1: queued → node-a");
  run.Station("running");
  run.Ended({Kind::kSucceeded, "2.0s", ""});
  EXPECT_EQ(screen_.err, "job 1: queued → node-a → running → succeeded (2.0s)\n");
}

TEST_F(RunScreenTest, AShortLineMayComeInPieces) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "4", 1000);
  run.Output(false, "2", 1100);
  EXPECT_EQ(run.tick_at_ms(), 1200);
  run.Output(false, "\n", 1150);
  run.Ended({Kind::kSucceeded, "", ""});
  EXPECT_EQ(screen_.both, "job 1: queued → node-a → running → 42 → succeeded\n");
}

TEST_F(RunScreenTest, MoreThanOneLineFlowsRaw) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "one\n", 1000);
  EXPECT_EQ(screen_.out, "");
  run.Output(false, "two\n", 1001);
  EXPECT_EQ(screen_.both, "job 1: queued → node-a → running\none\ntwo\n");
  EXPECT_FALSE(run.tick_at_ms().has_value());
  run.Output(false, "three", 1002);
  run.Ended({Kind::kSucceeded, "0.1s", ""});
  EXPECT_EQ(screen_.both,
            "job 1: queued → node-a → running\none\ntwo\nthree\njob 1: succeeded (0.1s)\n");
  EXPECT_EQ(screen_.out, "one\ntwo\nthree");
}

TEST_F(RunScreenTest, ATaskThatGoesOnShowsItsOutputAfterTheHold) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "waiting...\n", 1000);
  run.Tick(1100);
  EXPECT_EQ(screen_.out, "");
  run.Tick(1200);
  EXPECT_EQ(screen_.both, "job 1: queued → node-a → running\nwaiting...\n");
  run.Ended({Kind::kSucceeded, "", ""});
  EXPECT_EQ(screen_.both, "job 1: queued → node-a → running\nwaiting...\njob 1: succeeded\n");
}

TEST_F(RunScreenTest, StandardErrorIsNeverTakenIntoTheLine) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "out\n", 1000);
  run.Output(true, "err\n", 1001);
  EXPECT_EQ(screen_.both, "job 1: queued → node-a → running\nout\nerr\n");
}

TEST_F(RunScreenTest, AFailureTakesThePlaceOfALineThatLedNowhere) {
  RunScreen run = Make(true);
  Start(run);
  run.Ended({Kind::kFailed, "exit 3", "see 'berth logs 4'"});
  EXPECT_EQ(screen_.both,
            "job 1: queued → node-a → running\r\x1b[Kjob 1 failed: exit 3; see 'berth logs 4'\n");
}

TEST_F(RunScreenTest, ALineThatMayHaveWrappedIsLeftAlone) {
  RunScreen run = Make(true, false, 20);
  Start(run);
  run.Ended({Kind::kFailed, "exit 3", "see 'berth logs 4'"});
  EXPECT_EQ(screen_.both,
            "job 1: queued → node-a → running\njob 1 failed: exit 3; see 'berth logs 4'\n");
}

TEST_F(RunScreenTest, AFailureKeepsTheOutputBeforeIt) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "oops", 1000);
  run.Ended({Kind::kFailed, "exit 3", ""});
  EXPECT_EQ(screen_.both, "job 1: queued → node-a → running\noops\njob 1 failed: exit 3\n");
}

TEST_F(RunScreenTest, OffATerminalStandardOutputHasTheTasksBytesAlone) {
  RunScreen run = Make(false);
  run.Submitted("1");
  EXPECT_EQ(screen_.err, "");
  run.Station("node-a");
  run.Station("running");
  run.Rest();
  EXPECT_EQ(screen_.err, "job 1: queued → node-a → running\n");
  run.Output(false, std::string("4\0\xff", 3), 1000);
  run.Output(true, "warn", 1000);
  run.Ended({Kind::kSucceeded, "0.1s, 9Mi peak", ""});
  EXPECT_EQ(screen_.out, std::string("4\0\xff", 3));
  EXPECT_EQ(screen_.err,
            "job 1: queued → node-a → running\nwarnjob 1: succeeded (0.1s, 9Mi peak)\n");
}

TEST_F(RunScreenTest, OffATerminalAParkedJobSaysSoAtOnce) {
  RunScreen run = Make(false);
  run.Submitted("1");
  run.Station("parked (0/2 nodes fit)");
  run.Rest();
  run.Station("node-a");
  run.Station("running");
  run.Rest();
  run.Ended({Kind::kCancelled, "", ""});
  EXPECT_EQ(screen_.err,
            "job 1: queued → parked (0/2 nodes fit)\njob 1: node-a → running\njob 1 cancelled\n");
}

TEST_F(RunScreenTest, QuietShowsTheTasksBytesAndNothingElse) {
  for (const bool terminal : {true, false}) {
    screen_.both.clear();
    RunScreen run = Make(terminal, true);
    Start(run);
    run.Output(false, "42\n", 1000);
    run.Notice("something");
    run.Ended({Kind::kFailed, "exit 3", "see"});
    EXPECT_EQ(screen_.both, "42\n");
  }
}

TEST_F(RunScreenTest, ANoticeStandsOnALineOfItsOwn) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "half", 1000);
  run.Notice("cancelling job 1");
  run.Ended({Kind::kCancelled, "", ""});
  EXPECT_EQ(screen_.both,
            "job 1: queued → node-a → running\nhalf\ncancelling job 1\njob 1 cancelled\n");
}

TEST_F(RunScreenTest, ASecondAttemptBeginsANewLine) {
  RunScreen run = Make(true);
  Start(run);
  run.Output(false, "a\nb\n", 1000);
  run.Station("queued again");
  run.Station("node-b");
  run.Ended({Kind::kSucceeded, "", ""});
  EXPECT_EQ(screen_.both,
            "job 1: queued → node-a → running\na\nb\njob 1: queued again → node-b → succeeded\n");
}

TEST_F(RunScreenTest, WhatOthersWroteCannotDriveTheTerminal) {
  RunScreen run = Make(true);
  run.Submitted("1");
  run.Station("node\x1b[31m\n");
  run.Ended({Kind::kFailed, "no \x1b]0;pwned\x07", ""});
  EXPECT_EQ(screen_.both.find("\x1b[31m"), std::string::npos);
  EXPECT_EQ(screen_.both.find("\x1b]"), std::string::npos);
}

TEST(ShortLineTest, TakesOnlyWhatMayStandInALine) {
  EXPECT_EQ(ShortLine("42\n"), "42");
  EXPECT_EQ(ShortLine("42"), "42");
  EXPECT_EQ(ShortLine("été"), "été");
  EXPECT_EQ(ShortLine(std::string(60, 'x')), std::string(60, 'x'));
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("  \n"), std::string("a\nb"),
        std::string("a\n\n"), std::string(61, 'x'), std::string("a\tb"), std::string("\x1b[1mA"),
        std::string("\xff"), std::string("a\r"), std::string("a\0b", 3),
        std::string("\xe2\x80\xae") + "x"}) {
    EXPECT_EQ(ShortLine(text), "") << text;
  }
}

}  // namespace
}  // namespace berth::cli
