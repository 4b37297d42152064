#include "cli/job_ending.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::cli {
namespace {

v1::Job JobIn(v1::JobState state) {
  v1::Job job;
  job.set_id("4");
  job.set_state(state);
  return job;
}

v1::Task Ended(v1::ReasonCode reason) {
  v1::Task task;
  task.set_id("4.0");
  task.set_state(v1::TASK_STATE_FAILED);
  task.mutable_attempt()->set_reason(reason);
  task.mutable_attempt()->set_started_unix_ms(1000);
  task.mutable_attempt()->set_ended_unix_ms(1104);
  return task;
}

TEST(JobEndingTest, ExitCodeIsTheTasksOwn) {
  v1::Task task = Ended(v1::REASON_CODE_EXITED);
  task.mutable_attempt()->set_exit_code(3);
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_FAILED), &task), 3);
  task = Ended(v1::REASON_CODE_KILLED_BY_SIGNAL);
  task.mutable_attempt()->set_signal(9);
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_FAILED), &task), 137);
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_CANCELLED), &task), 137);
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_SUCCEEDED), &task), 0);
}

TEST(JobEndingTest, WhatNeverRanIs125) {
  const v1::Task task = Ended(v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_FAILED), &task), 125);
  const v1::Task never;
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_CANCELLED), &never), 125);
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_FAILED), nullptr), 125);
}

TEST(JobEndingTest, OfSeveralTasksTheHighestCode) {
  v1::Job job = JobIn(v1::JOB_STATE_FAILED);
  job.set_exit_code(7);
  EXPECT_EQ(ExitCodeOf(job, nullptr), 7);
}

TEST(JobEndingTest, ATaskThatWasCancelledAfterExitingWithZeroDidNotSucceed) {
  v1::Task task = Ended(v1::REASON_CODE_CANCELLED_BY_USER);
  task.mutable_attempt()->set_exit_code(0);
  EXPECT_EQ(ExitCodeOf(JobIn(v1::JOB_STATE_CANCELLED), &task), 125);
}

TEST(JobEndingTest, SaysWhyItFailed) {
  v1::Task task = Ended(v1::REASON_CODE_EXITED);
  task.mutable_attempt()->set_exit_code(3);
  EXPECT_EQ(WhyItFailed(task), "exit 3");
  task = Ended(v1::REASON_CODE_KILLED_BY_SIGNAL);
  task.mutable_attempt()->set_signal(9);
  EXPECT_EQ(WhyItFailed(task), "killed by SIGKILL");
  task.mutable_attempt()->set_signal(77);
  EXPECT_EQ(WhyItFailed(task), "killed by signal 77");
  task = Ended(v1::REASON_CODE_OUT_OF_MEMORY);
  task.mutable_resources()->set_memory_bytes(int64_t{32} << 20);
  EXPECT_EQ(WhyItFailed(task), "out of memory at its limit of 32Mi; ask for more with --memory");
  task = Ended(v1::REASON_CODE_PROGRAM_NOT_FOUND);
  task.mutable_attempt()->set_message("program \"x\" not found in PATH");
  EXPECT_EQ(WhyItFailed(task), "program \"x\" not found in PATH");
  task.mutable_attempt()->clear_message();
  EXPECT_EQ(WhyItFailed(task), "PROGRAM_NOT_FOUND");
  EXPECT_EQ(WhyItFailed(v1::Task()), "for a reason that berthd did not give");
}

TEST(JobEndingTest, TheLastLineSaysWhatItTook) {
  v1::Task task = Ended(v1::REASON_CODE_EXITED);
  task.mutable_attempt()->mutable_usage()->set_memory_peak_bytes(int64_t{9} << 20);
  EXPECT_EQ(EndingOf(JobIn(v1::JOB_STATE_SUCCEEDED), &task).detail, "0.1s, 9Mi peak");
  task.mutable_attempt()->clear_usage();
  EXPECT_EQ(EndingOf(JobIn(v1::JOB_STATE_SUCCEEDED), &task).detail, "0.1s");
}

TEST(JobEndingTest, ThereIsOutputToSeeOnlyWhereItRan) {
  v1::Task task = Ended(v1::REASON_CODE_EXITED);
  EXPECT_EQ(EndingOf(JobIn(v1::JOB_STATE_FAILED), &task).next_step, "see 'berth logs 4'");
  task.mutable_attempt()->clear_started_unix_ms();
  EXPECT_EQ(EndingOf(JobIn(v1::JOB_STATE_FAILED), &task).next_step, "see 'berth describe 4'");
}

TEST(JobEndingTest, CountsAreWhatWaitPrints) {
  v1::TaskCounts counts;
  counts.set_total(100);
  counts.set_succeeded(100);
  EXPECT_EQ(CountsText(counts), "100/100 done, 0 failed");
  counts.set_succeeded(90);
  counts.set_failed(4);
  counts.set_cancelled(5);
  EXPECT_EQ(CountsText(counts), "99/100 done, 4 failed, 5 cancelled");
}

}  // namespace
}  // namespace berth::cli
