#include "agentd/commands/command_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <optional>

#include "agentd/commands/task_hooks.h"
#include "base/small_file.h"
#include "tests/support/await.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/run_loop.h"

namespace berth::agentd {
namespace {

using berth::testing::Await;
using berth::testing::RunUntil;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandRunnerTest : public ::testing::Test {
 protected:
  CommandResult Shell(const std::string& script, int64_t timeout_ms = 60'000) {
    return Run({"/bin/sh", "-c", script}, timeout_ms);
  }
  CommandResult Run(std::vector<std::string> arguments, int64_t timeout_ms = 60'000) {
    std::optional<CommandResult> result;
    Command command;
    command.arguments = std::move(arguments);
    command.environment = {"PATH=/usr/bin:/bin", "GREETING=hello"};
    command.timeout_ms = timeout_ms;
    runner_.Run(command, [&](CommandResult got) { result = std::move(got); });
    EXPECT_FALSE(result.has_value());  // not from within
    EXPECT_TRUE(RunUntil(loop_, clock_, [&] { return result.has_value(); }));
    return result.value_or(CommandResult{});
  }

  base::SystemClock clock_;
  berth::testing::TempDir dir_;
  EventLoop loop_{clock_};
  CommandRunner runner_{loop_, clock_};
};

TEST_F(CommandRunnerTest, TellsTheExitCodeAndWhatWasWritten) {
  const CommandResult result = Shell("echo $GREETING; echo oops >&2; exit 3");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "hello\noops\n");
  EXPECT_FALSE(result.good());
  EXPECT_EQ(Describe(result), "exited with 3: oops");
}

TEST_F(CommandRunnerTest, HasNoInputAndOnlyTheEnvironmentThatItIsGiven) {
  const CommandResult result = Shell("cat; env | sort | cut -d= -f1 | tr '\n' ' '");
  EXPECT_EQ(result.output, "GREETING PATH PWD ");
  EXPECT_TRUE(result.good());
}

TEST_F(CommandRunnerTest, KillsWhatTakesTooLongWithAllThatItStarted) {
  const CommandResult result = Shell("sleep 1000 & echo $!; wait", 200);
  EXPECT_TRUE(result.timed_out);
  EXPECT_FALSE(result.good());
  const pid_t child = std::stoi(result.output);
  EXPECT_TRUE(Await([child] { return kill(child, 0) != 0; }));
  EXPECT_THAT(Describe(result), StartsWith("took too long and was killed"));
}

TEST_F(CommandRunnerTest, KillsWhatItLeavesBehind) {
  const CommandResult result = Shell("sleep 1000 & echo $!");
  EXPECT_TRUE(result.good());
  const pid_t child = std::stoi(result.output);
  EXPECT_TRUE(Await([child] { return kill(child, 0) != 0; }));
}

TEST_F(CommandRunnerTest, KeepsTheEndOfMuchOutput) {
  const CommandResult result = Shell("yes | head -c 1000000; echo end");
  EXPECT_EQ(result.output.size(), CommandRunner::kMostOutput);
  EXPECT_THAT(Describe(result), "exited with 0: end");
}

TEST_F(CommandRunnerTest, WhatWritesFasterThanItIsReadIsHeldToItsTime) {
  const CommandResult result = Shell("yes & yes & yes & exec yes", 200);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.output.size(), CommandRunner::kMostOutput);
}

TEST_F(CommandRunnerTest, WhatIsLeftBehindWritingDoesNotHoldUpTheEnd) {
  EXPECT_TRUE(Shell("yes & yes & yes & exit 0").good());
}

TEST_F(CommandRunnerTest, SaysWhatKeptItFromStarting) {
  const CommandResult result = Run({"/no/such/program"});
  EXPECT_EQ(result.error, ENOENT);
  EXPECT_THAT(Describe(result), HasSubstr("could not be started: No such file"));
}

TEST_F(CommandRunnerTest, TellsTheSignalThatKilledIt) {
  EXPECT_EQ(Shell("kill -TERM $$").signal, SIGTERM);
}

TEST_F(CommandRunnerTest, CallsNobodyBackAfterCancel) {
  Command command;
  command.arguments = {"/bin/sleep", "1000"};
  command.timeout_ms = 60'000;
  const uint64_t id = runner_.Run(command, [](const CommandResult&) { FAIL(); });
  runner_.Cancel(id);
  runner_.Cancel(id);
  EXPECT_TRUE(Shell("true").good());
}

TEST_F(CommandRunnerTest, HooksSayForWhomTheyRunAndWhatWentWrong) {
  const std::string said = dir_.path() + "/said";
  v1::StartTask start;
  start.mutable_key()->set_job_id(12);
  start.mutable_key()->set_attempt(2);
  start.set_task_id("12.3");
  start.set_job_name("train");
  start.add_device_ids("GPU-1");
  start.mutable_run_as()->set_verified(true);
  start.mutable_run_as()->set_uid(1000);
  TaskHooks hooks(
      runner_, {{"/bin/sh", "-c", "echo no scratch disk; exit 1"}, 60'000},
      {{"/bin/sh", "-c",
        "echo $BERTH_JOB_ID $BERTH_TASK_ID $BERTH_ATTEMPT $BERTH_UID $BERTH_DEVICES > " + said},
       60'000});
  std::optional<std::string> fault;
  hooks.Before(start, [&](std::string got) { fault = std::move(got); });
  ASSERT_TRUE(RunUntil(loop_, clock_, [&] { return fault.has_value(); }));
  EXPECT_EQ(*fault, "the node's prolog, /bin/sh, exited with 1: no scratch disk");
  bool after = false;
  hooks.After(start, [&] { after = true; });
  ASSERT_TRUE(RunUntil(loop_, clock_, [&] { return after; }));
  EXPECT_EQ(*base::ReadSmallFile(said), "12 12.3 2 1000 GPU-1\n");
}

}  // namespace
}  // namespace berth::agentd
