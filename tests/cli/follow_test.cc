// `run` and `wait`: following jobs to their end, whatever happens on the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/cli/cli_harness.h"
#include "tests/support/fake_job_service.h"

namespace berth::cli {
namespace {

using ::testing::HasSubstr;
using testing::kStart;
using ::testing::Not;

class FollowTest : public ::testing::Test {
 protected:
  // Every job runs to its end at once.
  void RunJobs(std::string output, int exit_code) {
    fake_.OnSubmit([this, output, exit_code](const auto&, v1::SubmitJobResponse& response) {
      fake_.RunToEnd(response.job_id(), "node-a", output, exit_code);
    });
  }

  // Its only task runs, and goes on.
  v1::Task StartTask(const std::string& job_id, int attempt = 1) {
    v1::Task task = fake_.task(job_id + ".0");
    task.set_state(v1::TASK_STATE_RUNNING);
    task.set_attempts(attempt);
    task.mutable_attempt()->Clear();
    task.mutable_attempt()->set_id(task.id() + "#" + std::to_string(attempt));
    task.mutable_attempt()->set_number(attempt);
    task.mutable_attempt()->set_node("node-a");
    task.mutable_attempt()->set_started_unix_ms(kStart);
    fake_.Put(task);
    return task;
  }

  void EndTask(v1::Task task, v1::TaskState state, v1::JobState job_state) {
    task.set_state(state);
    task.mutable_attempt()->set_ended_unix_ms(kStart + 100);
    fake_.Close(task.attempt().id());
    fake_.Put(task);
    v1::Job job = fake_.job(task.job_id());
    job.set_state(job_state);
    job.set_ended_unix_ms(kStart + 100);
    fake_.Put(job);
  }

  testing::FakeJobService fake_;
  testing::CliHarness harness_{fake_.address()};
};

TEST_F(FollowTest, OnATerminalAShortJobIsOneLine) {
  harness_.terminal = true;
  RunJobs("42\n", 0);
  const testing::CliResult result = harness_.Run({"run", "--cpu", "1", "--", "python3"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.screen, "job 1: queued → node-a → running → 42 → succeeded (0.1s, 9Mi peak)\n");
}

TEST_F(FollowTest, OffATerminalStandardOutputIsTheTasks) {
  RunJobs(std::string("4\0002\n", 4), 0);
  const testing::CliResult result = harness_.Run({"run", "--", "x"});
  EXPECT_EQ(result.out, std::string("4\0002\n", 4));
  EXPECT_EQ(result.err, "job 1: queued → node-a → running\njob 1: succeeded (0.1s, 9Mi peak)\n");
}

TEST_F(FollowTest, QuietPrintsTheTasksOutputAlone) {
  RunJobs("42\n", 3);
  const testing::CliResult result = harness_.Run({"run", "-q", "--", "x"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.screen, "42\n");
}

TEST_F(FollowTest, EndsWithTheTasksCode) {
  harness_.terminal = true;
  RunJobs("", 3);
  const testing::CliResult result = harness_.Run({"run", "--", "sh"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.screen,
            "job 1: queued → node-a → running\r\x1b[Kjob 1 failed: exit 3; see 'berth logs 1'\n");
}

TEST_F(FollowTest, WhatCouldNotStartIs125) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    v1::Task task = fake_.task(response.job_id() + ".0");
    task.mutable_attempt()->set_id(task.id() + "#1");
    task.mutable_attempt()->set_number(1);
    task.mutable_attempt()->set_node("node-a");
    task.mutable_attempt()->set_end(v1::ATTEMPT_END_COULD_NOT_START);
    task.mutable_attempt()->set_reason(v1::REASON_CODE_PROGRAM_NOT_FOUND);
    task.mutable_attempt()->set_message("program \"nope\" not found in PATH");
    EndTask(task, v1::TASK_STATE_FAILED, v1::JOB_STATE_FAILED);
  });
  const testing::CliResult result = harness_.Run({"run", "--", "nope"});
  EXPECT_EQ(result.code, 125);
  EXPECT_EQ(result.err,
            "job 1: queued → node-a\n"
            "job 1 failed: program \"nope\" not found in PATH; see 'berth describe 1'\n");
  EXPECT_EQ(fake_.calls("Logs"), 0);
  // It is no status: -q does not hide it.
  EXPECT_EQ(harness_.Run({"run", "-q", "--", "nope"}).err,
            "berth: job 2 failed: program \"nope\" not found in PATH\n");
}

TEST_F(FollowTest, WhatCanNeverFitIsCancelledAndSaysWhatWould) {
  fake_.OnSubmit([](const auto&, v1::SubmitJobResponse& response) {
    response.set_placeability(v1::PLACEABILITY_NEVER_FITS);
    response.add_warnings("cannot ever fit: 2 nodes, largest 12Gi; try --memory 12Gi");
  });
  const testing::CliResult result = harness_.Run({"run", "--memory", "500Gi", "--", "true"});
  EXPECT_EQ(result.code, 125);
  EXPECT_EQ(result.screen,
            "cannot ever fit: 2 nodes, largest 12Gi; try --memory 12Gi, or 'berth explain last'\n");
  ASSERT_EQ(fake_.cancellations().size(), 1u);
  EXPECT_EQ(fake_.cancellations()[0].ids(0), "1");
}

TEST_F(FollowTest, AsksWhyItNeverFitsWhenTheAnswerDoesNotSay) {
  fake_.OnSubmit([](const auto&, v1::SubmitJobResponse& response) {
    response.set_placeability(v1::PLACEABILITY_NEVER_FITS);
  });
  v1::Explanation explanation;
  explanation.set_text("cannot ever fit: 1 node: 1 has no gpu");
  fake_.SetExplanation(explanation);
  EXPECT_EQ(harness_.Run({"run", "--gpus", "1", "--", "true"}).screen,
            "cannot ever fit: 1 node: 1 has no gpu; see 'berth explain last'\n");
}

TEST_F(FollowTest, AParkedJobSaysWhy) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    v1::Task task = fake_.task(response.job_id() + ".0");
    task.set_state(v1::TASK_STATE_PARKED);
    task.set_message("0/2 nodes fit: 2 insufficient cpu");
    fake_.Put(task);
    fake_.RunToEnd(response.job_id(), "node-b", "", 0);
  });
  EXPECT_THAT(harness_.Run({"run", "--", "x"}).err,
              HasSubstr("job 1: queued → parked (0/2 nodes fit: 2 insufficient cpu)\n"
                        "job 1: node-b → running\n"));
}

TEST_F(FollowTest, AWarningStandsBeforeTheLine) {
  harness_.terminal = true;
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    response.add_warnings("no node is ready");
    fake_.RunToEnd(response.job_id(), "node-b", "", 0);
  });
  EXPECT_EQ(harness_.Run({"run", "--", "x"}).screen,
            "berth: no node is ready\n"
            "job 1: queued → node-b → running → succeeded (0.1s, 9Mi peak)\n");
}

TEST_F(FollowTest, OutputOfSeveralTasksNamesThem) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    v1::Job job = fake_.job(response.job_id());
    for (const std::string index : {"0", "1"}) {
      v1::Task task = fake_.task(response.job_id() + "." + index);
      task.mutable_attempt()->set_id(task.id() + "#1");
      task.mutable_attempt()->set_number(1);
      task.mutable_attempt()->set_started_unix_ms(kStart);
      fake_.Append(task.attempt().id(), v1::OUTPUT_STREAM_STDOUT, "out of " + index + "\nrest");
      fake_.Close(task.attempt().id());
      task.set_state(v1::TASK_STATE_SUCCEEDED);
      fake_.Put(task);
    }
    job.set_state(v1::JOB_STATE_FAILED);
    job.set_exit_code(7);
    job.mutable_tasks()->set_failed(1);
    fake_.Put(job);
  });
  const testing::CliResult result = harness_.Run({"run", "--array", "0-1", "--", "x"});
  EXPECT_EQ(result.code, 7);
  EXPECT_THAT(result.out, HasSubstr("1.0: out of 0\n"));
  EXPECT_THAT(result.out, HasSubstr("1.1: out of 1\n"));
  EXPECT_THAT(result.out, HasSubstr("1.0: rest\n"));
  EXPECT_THAT(result.err, HasSubstr("job 1 failed: 1 of 2 tasks failed; see 'berth get tasks "
                                    "--job 1 --state failed'"));
}

TEST_F(FollowTest, OutputOfEarlierAttemptsIsShownToo) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    for (const int attempt : {1, 2}) {
      const std::string id = response.job_id() + ".0#" + std::to_string(attempt);
      fake_.Append(id, v1::OUTPUT_STREAM_STDOUT, "try " + std::to_string(attempt) + "\n");
      fake_.Close(id);
    }
    // The first attempt came and went between two messages.
    EndTask(StartTask(response.job_id(), 2), v1::TASK_STATE_SUCCEEDED, v1::JOB_STATE_SUCCEEDED);
  });
  const testing::CliResult result = harness_.Run({"run", "-q", "--", "x"});
  EXPECT_THAT(result.out, ::testing::AnyOf("try 1\ntry 2\n", "try 2\ntry 1\n"));
}

TEST_F(FollowTest, QuietTellsWhatIsMissingFromTheOutput) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    const v1::Task task = StartTask(response.job_id());
    fake_.AppendAt(task.attempt().id(), v1::OUTPUT_STREAM_STDOUT, 10, "rest\n");
    EndTask(task, v1::TASK_STATE_SUCCEEDED, v1::JOB_STATE_SUCCEEDED);
  });
  const testing::CliResult result = harness_.Run({"run", "-q", "--", "x"});
  EXPECT_EQ(result.out, "rest\n");
  EXPECT_THAT(result.err, HasSubstr("berth: output of task 1.0 is incomplete"));
}

TEST_F(FollowTest, WhyItWaitsAgainIsSaidOnce) {
  harness_.terminal = true;
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    for (const int attempt : {1, 2, 3}) {
      v1::Task task = fake_.task(response.job_id() + ".0");
      task.set_state(v1::TASK_STATE_QUEUED);
      task.set_attempts(attempt);
      task.mutable_attempt()->set_id(task.id() + "#" + std::to_string(attempt));
      task.mutable_attempt()->set_number(attempt);
      task.mutable_attempt()->set_node("node-a");
      task.mutable_attempt()->set_end(v1::ATTEMPT_END_COULD_NOT_START);
      task.mutable_attempt()->set_message(attempt < 3 ? "no such mount" : "no such disk");
      fake_.Close(task.attempt().id());
      fake_.Put(task);
      fake_.Put(task);
    }
    EndTask(StartTask(response.job_id(), 4), v1::TASK_STATE_SUCCEEDED, v1::JOB_STATE_SUCCEEDED);
  });
  EXPECT_EQ(
      harness_.Run({"run", "--", "x"}).screen,
      "job 1: queued → node-a → queued again (no such mount) → node-a → queued again → node-a → "
      "queued again (no such disk) → node-a → running → succeeded (0.1s)\n");
}

TEST_F(FollowTest, ARestartOfBerthdLosesAndRepeatsNothing) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    StartTask(response.job_id());
    fake_.Append("1.0#1", v1::OUTPUT_STREAM_STDOUT, "before\n");
  });
  std::thread world([this] {
    fake_.AwaitCalls("Logs", 1);
    fake_.Restart();
    fake_.Append("1.0#1", v1::OUTPUT_STREAM_STDOUT, "after\n");
    fake_.AwaitCalls("Watch", 2);
    EndTask(fake_.task("1.0"), v1::TASK_STATE_SUCCEEDED, v1::JOB_STATE_SUCCEEDED);
  });
  const testing::CliResult result = harness_.Run({"run", "--", "x"});
  world.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "before\nafter\n");
  EXPECT_THAT(result.err, HasSubstr("trying again"));
}

TEST_F(FollowTest, ABrokenLogStreamIsDialledAgainWithoutRepeating) {
  fake_.FailNext("Logs", grpc::Status(grpc::StatusCode::UNAVAILABLE, "the node went away"));
  fake_.FailNext("Logs", grpc::Status(grpc::StatusCode::INTERNAL, "oops"));
  RunJobs("one line of output\n", 0);
  const testing::CliResult result = harness_.Run({"run", "-q", "--", "x"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "one line of output\n");
  EXPECT_GE(fake_.calls("Logs"), 3);
}

TEST_F(FollowTest, ChangesThatAreNoLongerKeptAreListed) {
  fake_.FailNext("Watch", grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "epoch too old"));
  fake_.OnSubmit(
      [this](const auto&, v1::SubmitJobResponse& response) { StartTask(response.job_id()); });
  std::thread world([this] {
    fake_.AwaitCalls("Watch", 2);
    EndTask(fake_.task("1.0"), v1::TASK_STATE_SUCCEEDED, v1::JOB_STATE_SUCCEEDED);
  });
  EXPECT_EQ(harness_.Run({"run", "-q", "--", "x"}).code, 0);
  world.join();
  EXPECT_EQ(fake_.calls("ListTasks"), 1);
}

TEST_F(FollowTest, AWatchThatIsRefusedEndsTheRun) {
  fake_.FailNext("Watch", grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not yours"));
  const testing::CliResult result = harness_.Run({"run", "--", "x"});
  EXPECT_EQ(result.code, 125);
  EXPECT_THAT(result.err, HasSubstr("not yours"));
}

TEST_F(FollowTest, TheFirstInterruptCancelsAndWaitsForTheEnd) {
  fake_.OnSubmit(
      [this](const auto&, v1::SubmitJobResponse& response) { StartTask(response.job_id()); });
  std::thread world([this] {
    fake_.AwaitCalls("Logs", 1);
    harness_.Interrupt();
    fake_.AwaitCalls("Cancel", 1);
    v1::Task task = fake_.task("1.0");
    task.set_state(v1::TASK_STATE_STOPPING);
    fake_.Put(task);
    task.mutable_attempt()->set_signal(15);
    EndTask(task, v1::TASK_STATE_CANCELLED, v1::JOB_STATE_CANCELLED);
  });
  const testing::CliResult result = harness_.Run({"run", "--", "sleep"});
  world.join();
  EXPECT_EQ(result.code, 143);
  EXPECT_THAT(result.err, HasSubstr("cancelling job 1; Ctrl-C again leaves it to itself\n"));
  EXPECT_THAT(result.err, HasSubstr("job 1: stopping\njob 1 cancelled\n"));
  EXPECT_EQ(fake_.cancellations()[0].ids(0), "1");
}

TEST_F(FollowTest, TheSecondInterruptLeaves) {
  fake_.OnSubmit(
      [this](const auto&, v1::SubmitJobResponse& response) { StartTask(response.job_id()); });
  std::thread world([this] {
    fake_.AwaitCalls("Logs", 1);
    harness_.Interrupt();
    fake_.AwaitCalls("Cancel", 1);
    harness_.Interrupt();
  });
  const testing::CliResult result = harness_.Run({"run", "--", "sleep"});
  world.join();
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.err, HasSubstr("left job 1 to itself: 'berth wait 1'"));
}

TEST_F(FollowTest, ACancellationThatDoesNotArriveIsSentAgain) {
  fake_.FailNext("Cancel", grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting"));
  fake_.OnSubmit(
      [this](const auto&, v1::SubmitJobResponse& response) { StartTask(response.job_id()); });
  std::thread world([this] {
    fake_.AwaitCalls("Logs", 1);
    harness_.Interrupt();
    fake_.AwaitCalls("Cancel", 2);
    EndTask(fake_.task("1.0"), v1::TASK_STATE_CANCELLED, v1::JOB_STATE_CANCELLED);
  });
  // Nothing was killed by a signal, and we asked for it: as after Ctrl-C in a shell.
  EXPECT_EQ(harness_.Run({"run", "-q", "--", "sleep"}).code, 130);
  world.join();
}

TEST_F(FollowTest, AReaderThatGoesAwayCancels) {
  harness_.out_room = 3;
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    StartTask(response.job_id());
    fake_.Append("1.0#1", v1::OUTPUT_STREAM_STDOUT, "yes\nyes\n");
  });
  std::thread world([this] {
    fake_.AwaitCalls("Cancel", 1);
    EndTask(fake_.task("1.0"), v1::TASK_STATE_CANCELLED, v1::JOB_STATE_CANCELLED);
  });
  EXPECT_EQ(harness_.Run({"run", "-q", "--", "yes"}).code, 141);
  world.join();
}

TEST_F(FollowTest, ForProgramsRunIsOneDocument) {
  RunJobs("42\n", 3);
  const testing::CliResult result = harness_.Run({"run", "-o", "json", "--", "x"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "{\n  \"job\": \"1\",\n  \"state\": \"failed\",\n  \"exitCode\": 3,\n  \"tasks\": [\n"
            "    {\n      \"id\": \"1.0\",\n      \"state\": \"failed\",\n      \"node\": "
            "\"node-a\",\n      \"exitCode\": 3,\n      \"message\": \"exit 3\",\n"
            "      \"memoryPeakBytes\": 9437184,\n      \"stdout\": \"42\\n\",\n"
            "      \"stderr\": \"\"\n    }\n  ]\n}\n");
}

// ---- wait ----

TEST_F(FollowTest, WaitPrintsHowItEnded) {
  RunJobs("", 0);
  harness_.Run({"submit", "--", "x"});
  const testing::CliResult good = harness_.Run({"wait", "1"});
  EXPECT_EQ(good.code, 0);
  EXPECT_EQ(good.out, "1/1 done, 0 failed\n");
  RunJobs("", 3);
  harness_.Run({"submit", "--", "x"});
  const testing::CliResult both = harness_.Run({"wait", "1", "2"});
  EXPECT_EQ(both.code, 1);
  EXPECT_EQ(both.out, "1: 1/1 done, 0 failed\n2: 1/1 done, 1 failed\n");
  const testing::CliResult task = harness_.Run({"wait", "2.0"});
  EXPECT_EQ(task.code, 1);
  EXPECT_EQ(task.out, "failed: exit 3\n");
  EXPECT_EQ(harness_.Run({"wait", "last", "-q"}).out, "");
}

TEST_F(FollowTest, WaitSurvivesARestartOfBerthd) {
  harness_.Run({"submit", "--", "x"});
  std::thread world([this] {
    fake_.AwaitCalls("Watch", 1);
    fake_.Restart();
    fake_.AwaitCalls("Watch", 2);
    fake_.RunToEnd("1", "node-a", "", 0);
  });
  const testing::CliResult result = harness_.Run({"wait", "1"});
  world.join();
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(FollowTest, WaitGivesUpWhenItIsTold) {
  harness_.Run({"submit", "--", "x"});
  const testing::CliResult result = harness_.Run({"wait", "1", "--timeout", "50ms"});
  EXPECT_EQ(result.code, 124);
  EXPECT_EQ(result.out, "0/1 done, 0 failed, timed out\n");
}

TEST_F(FollowTest, WaitForWhatIsNotThereIs3) {
  const testing::CliResult result = harness_.Run({"wait", "99"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("99"));
}

// ---- get -w, logs -f ----

TEST_F(FollowTest, WatchingPrintsWhatChanges) {
  harness_.Run({"submit", "--", "x"});
  std::thread world([this] {
    fake_.AwaitCalls("Watch", 1);
    fake_.RunToEnd("1", "node-a", "", 0);
    // The next watch sends what is new, and is then refused: the only end that -w has.
    fake_.FailNext("Watch", grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "enough"));
    fake_.Restart();
  });
  const testing::CliResult result = harness_.Run({"get", "jobs", "-w"});
  world.join();
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.out, HasSubstr("ID   NAME   STATE    DONE"));
  EXPECT_THAT(result.out, HasSubstr("queued"));
  EXPECT_THAT(result.out, HasSubstr("succeeded"));
}

TEST_F(FollowTest, WatchingListsAgainWhatIsNoLongerKept) {
  harness_.Run({"submit", "--", "x"});
  fake_.FailNext("Watch", grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "epoch too old"));
  std::thread world([this] {
    fake_.AwaitCalls("Watch", 2);
    fake_.RunToEnd("1", "node-a", "", 0);
    fake_.FailNext("Watch", grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "enough"));
    fake_.Restart();
  });
  const testing::CliResult result = harness_.Run({"get", "jobs", "-w"});
  world.join();
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("no longer kept; all is listed again"));
  EXPECT_THAT(result.out, HasSubstr("succeeded"));
  EXPECT_EQ(fake_.calls("ListJobs"), 2);
}

TEST_F(FollowTest, LogsFollowOverARestartOfBerthd) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    StartTask(response.job_id());
    fake_.Append("1.0#1", v1::OUTPUT_STREAM_STDOUT, "before\n");
  });
  harness_.Run({"submit", "--", "x"});
  std::thread world([this] {
    fake_.AwaitCalls("Logs", 1);
    fake_.Restart();
    fake_.Append("1.0#1", v1::OUTPUT_STREAM_STDOUT, "after\n");
    fake_.Close("1.0#1");
  });
  const testing::CliResult result = harness_.Run({"logs", "-f", "1.0"});
  world.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "before\nafter\n");
}

TEST_F(FollowTest, LogsOfWhatIsNotThereAreNotWaitedFor) {
  EXPECT_EQ(harness_.Run({"logs", "-f", "99.0"}).code, 3);
  harness_.environment["BERTH_SERVER"] = "unix:/no/such/berthd.sock";
  EXPECT_EQ(harness_.Run({"logs", "-f", "99.0"}).code, 5);
}

TEST_F(FollowTest, LogsFollowToTheEnd) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    StartTask(response.job_id());
    fake_.Append("1.0#1", v1::OUTPUT_STREAM_STDOUT, "first\n");
  });
  harness_.Run({"submit", "--", "x"});
  std::thread world([this] {
    fake_.AwaitCalls("Logs", 1);
    fake_.Append("1.0#1", v1::OUTPUT_STREAM_STDOUT, "second\n");
    fake_.Close("1.0#1");
  });
  EXPECT_EQ(harness_.Run({"logs", "-f", "1"}).out, "first\nsecond\n");
  world.join();
}

TEST_F(FollowTest, WhatBerthdKeptStandsInForALostNode) {
  fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
    const v1::Task task = StartTask(response.job_id());
    fake_.AppendAt("1.0#1", v1::OUTPUT_STREAM_STDOUT, 0, "begin\n", true);
    fake_.AppendAt("1.0#1", v1::OUTPUT_STREAM_STDERR, 100, "end\n", true);
    EndTask(task, v1::TASK_STATE_SUCCEEDED, v1::JOB_STATE_SUCCEEDED);
  });
  const testing::CliResult result = harness_.Run({"run", "--", "x"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "begin\n");
  EXPECT_THAT(result.err, HasSubstr("100B of standard error before its end are gone"));
  EXPECT_THAT(result.err, HasSubstr("end\n"));
}

// ---- logs of several tasks, and of what is gone ----

class LogsTest : public FollowTest {
 protected:
  // Job 1 with tasks 1.0 and 1.1, each with an attempt.
  void StartTwo() {
    fake_.OnSubmit([this](const auto&, v1::SubmitJobResponse& response) {
      const v1::Task first = StartTask(response.job_id());
      v1::Task second = first;
      second.set_id("1.1");
      second.mutable_attempt()->set_id("1.1#1");
      fake_.Put(second);
    });
    harness_.Run({"submit", "--", "x"});
  }
  void End(const std::string& id) {
    v1::Task task = fake_.task(id);
    task.set_state(v1::TASK_STATE_SUCCEEDED);
    fake_.Close(task.attempt().id());
    fake_.Put(task);
  }
  static constexpr auto kOut = v1::OUTPUT_STREAM_STDOUT;
  static constexpr auto kErr = v1::OUTPUT_STREAM_STDERR;
};

TEST_F(LogsTest, TasksOfAJobComeInTheOrderInWhichTheyWrote) {
  StartTwo();
  fake_.Append("1.0#1", kOut, "a\n", kStart + 1);
  fake_.Append("1.1#1", kErr, "b\n", kStart + 2);
  fake_.Append("1.0#1", kOut, "c\nd\n", kStart + 3);
  EXPECT_EQ(harness_.Run({"logs", "1"}).screen, "1.0: a\n1.1: b\n1.0: c\n1.0: d\n");
  EXPECT_EQ(harness_.Run({"logs", "1", "--no-prefix"}).out, "a\nc\nd\n");
  EXPECT_EQ(harness_.Run({"logs", "1.1", "--prefix", "--timestamps"}).err,
            "1.1: 2026-01-01T00:00:00.002Z b\n");
}

TEST_F(LogsTest, AJobIsFollowedWithWhatStartsLater) {
  StartTwo();
  fake_.Append("1.0#1", kOut, "a\n", kStart + 1);
  std::thread world([this] {
    fake_.AwaitCalls("Logs", 2);
    // The first is tried again, and a third has waited until now.
    v1::Task again = fake_.task("1.0");
    fake_.Close("1.0#1");
    again.mutable_attempt()->set_id("1.0#2");
    again.mutable_attempt()->set_number(2);
    fake_.Append("1.0#2", kOut, "again\n", kStart + 5);
    fake_.Put(again);
    fake_.Append("1.1#1", kOut, "b\n", kStart + 6);
    fake_.AwaitCalls("Logs", 3);
    End("1.0");
    End("1.1");
  });
  const testing::CliResult result = harness_.Run({"logs", "-f", "1"});
  world.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("1.0: a\n"));
  EXPECT_THAT(result.out, HasSubstr("1.0: again\n"));
  EXPECT_THAT(result.out, HasSubstr("1.1: b\n"));
}

TEST_F(LogsTest, TooManyTasksAreNotFollowed) {
  StartTwo();
  for (int i = 2; i < 70; ++i) {
    v1::Task task = fake_.task("1.1");
    task.set_id("1." + std::to_string(i));
    fake_.Put(task);
  }
  const testing::CliResult result = harness_.Run({"logs", "-f", "1"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("at most 64 tasks are followed at once"));
  EXPECT_THAT(harness_.Run({"logs", "-f", "1.0-69"}).err, HasSubstr("these are 70"));
}

TEST_F(LogsTest, WhatIsGoneIsTold) {
  StartTwo();
  fake_.AppendAt("1.0#1", kOut, 5 << 20, "late\n");
  fake_.AppendAt("1.0#1", kOut, (7 << 20) + 5, "later\n");
  const testing::CliResult result = harness_.Run({"logs", "1.0"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "late\nlater\n");
  EXPECT_THAT(result.err, HasSubstr("berth: 1.0: the first 5Mi of standard output are gone"));
  EXPECT_THAT(result.err, HasSubstr("berth: 1.0: 2Mi of standard output are gone: the task wrote"));
  EXPECT_THAT(harness_.Run({"logs", "1.0", "--tail", "1Gi"}).err,
              HasSubstr("only 11B of standard output are left"));
}

TEST_F(LogsTest, WhatBerthdKeptIsToldToBeThat) {
  StartTwo();
  fake_.AppendAt("1.0#1", kErr, 100, "the end\n", true);
  const testing::CliResult result = harness_.Run({"logs", "1.0"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("standard error that berthd has kept, bytes 100 to 108\n"));
  EXPECT_THAT(result.err, HasSubstr("\nthe end\n"));
  EXPECT_THAT(harness_.Run({"logs", "1.0", "-o", "json"}).out, HasSubstr("notices"));
}

TEST_F(LogsTest, WhateverWasWrittenPassesUnharmed) {
  StartTwo();
  std::string bytes(300 << 10, '\xfe');
  bytes += std::string("\0\r\n\xff", 4);
  for (std::size_t at = 0; at < bytes.size(); at += 64 << 10) {
    fake_.Append("1.0#1", kOut, bytes.substr(at, 64 << 10), kStart);
  }
  EXPECT_EQ(harness_.Run({"logs", "1.0"}).out, bytes);
}

TEST_F(LogsTest, AReaderWhoGoesAwayEndsIt) {
  StartTwo();
  for (int i = 0; i < 100; ++i) fake_.Append("1.0#1", kOut, std::string(64 << 10, 'x'), kStart);
  harness_.out_room = 100 << 10;
  EXPECT_EQ(harness_.Run({"logs", "-f", "1.0"}).code, 141);
}

}  // namespace
}  // namespace berth::cli
