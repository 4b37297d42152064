// `exec`, `attach` and `run` of what is typed into.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "tests/cli/cli_harness.h"
#include "tests/support/await.h"
#include "tests/support/fake_job_service.h"
#include "wire/refusal.h"

namespace berth::cli {
namespace {

using testing::FakeJobService;
using ::testing::HasSubstr;

class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest() {
    EXPECT_EQ(pipe(input_), 0);
    harness_.stdin_fd = input_[0];
    v1::Job job;
    job.set_id("12");
    job.set_state(v1::JOB_STATE_RUNNING);
    fake_.Put(job);
    task_.set_id("12.0");
    task_.set_job_id("12");
    task_.set_state(v1::TASK_STATE_RUNNING);
    task_.mutable_attempt()->set_id("12.0#1");
    task_.mutable_attempt()->set_number(1);
    task_.mutable_attempt()->set_started_unix_ms(1);
    fake_.Put(task_);
  }
  ~ConsoleTest() override {
    CloseInput();
    close(input_[0]);
  }
  void Type(const std::string& text) {
    EXPECT_EQ(write(input_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void CloseInput() {
    if (input_[1] >= 0) close(input_[1]);
    input_[1] = -1;
  }
  void EndTask(int exit_code) {
    task_.set_state(v1::TASK_STATE_FAILED);
    task_.mutable_attempt()->set_exit_code(exit_code);
    task_.mutable_attempt()->set_ended_unix_ms(2);
    fake_.Put(task_);
  }
  // Hears what is typed to its end.
  template <typename Request, typename Stream>
  static std::string HearAll(Stream& stream) {
    std::string heard;
    for (Request request; stream.Read(&request);) {
      heard += request.stdin_data();
      if (request.stdin_closed()) break;
    }
    return heard;
  }

  FakeJobService fake_;
  testing::CliHarness harness_{fake_.address()};
  v1::Task task_;
  int input_[2] = {-1, -1};
};

TEST_F(ConsoleTest, ExecEndsAsItsCommandWithItsStreamsApart) {
  v1::ExecRequest first;
  fake_.OnExec([&](FakeJobService::ExecStream& stream) {
    stream.Read(&first);
    const std::string heard = HearAll<v1::ExecRequest>(stream);
    v1::ExecResponse response;
    response.set_stream(v1::OUTPUT_STREAM_STDOUT);
    response.set_data("heard " + heard);
    stream.Write(response);
    response.set_stream(v1::OUTPUT_STREAM_STDERR);
    response.set_data("oops");
    stream.Write(response);
    response.Clear();
    response.set_exit_code(3);
    stream.Write(response);
    return grpc::Status::OK;
  });
  Type("typed");
  CloseInput();
  const auto result = harness_.Run({"exec", "12.0", "--", "sh", "-c", "x y"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "heard typed");
  EXPECT_EQ(result.err, "oops");
  EXPECT_EQ(first.task_id(), "12.0");
  EXPECT_EQ(first.command(2), "x y");
  EXPECT_FALSE(first.tty());
}

TEST_F(ConsoleTest, ExecsOwnErrorsAreNotItsCommands) {
  const auto code_of = [&](Reason reason) {
    fake_.FailNext("Exec", wire::ToGrpcStatus({.code = absl::StatusCode::kFailedPrecondition,
                                               .reason = reason,
                                               .message = "because"}));
    const auto result = harness_.Run({"exec", "12.0", "--", "x"});
    EXPECT_THAT(result.err, HasSubstr("because"));
    return result.code;
  };
  EXPECT_EQ(code_of(Reason::kTaskNotRunning), 125);
  EXPECT_EQ(code_of(Reason::kProgramNotFound), 127);
  EXPECT_EQ(code_of(Reason::kProgramNotExecutable), 126);
  EXPECT_EQ(harness_.Run({"exec", "12.0"}).code, 2);
  EXPECT_EQ(harness_.Run({"exec", "--", "x"}).code, 2);
  EXPECT_EQ(harness_.Run({"exec", "-t", "-T", "12.0", "--", "x"}).code, 2);
}

TEST_F(ConsoleTest, CtrlCEndsExec) {
  fake_.OnExec([&](FakeJobService::ExecStream& stream) {
    harness_.Interrupt();
    for (v1::ExecRequest request; stream.Read(&request);) {
    }
    return grpc::Status::OK;
  });
  EXPECT_EQ(harness_.Run({"exec", "12.0", "--", "x"}).code, 130);
}

TEST_F(ConsoleTest, AttachTypesIntoAPipeAndEndsAsTheTask) {
  fake_.OnAttach([&](FakeJobService::AttachStream& stream) {
    v1::AttachRequest first;
    stream.Read(&first);
    EXPECT_FALSE(first.has_tail_bytes());
    v1::AttachResponse response;
    response.set_console(v1::CONSOLE_PIPE);
    stream.Write(response);
    response.Clear();
    response.set_data("heard " + HearAll<v1::AttachRequest>(stream));
    stream.Write(response);
    EndTask(7);
    return grpc::Status::OK;
  });
  Type("typed");
  CloseInput();
  const auto result = harness_.Run({"attach", "12"});
  EXPECT_EQ(result.out, "heard typed");
  EXPECT_EQ(result.code, 7);
}

TEST_F(ConsoleTest, WhatWasShownBeforeABreakIsNotShownAgain) {
  int legs = 0;
  fake_.OnAttach([&](FakeJobService::AttachStream& stream) {
    v1::AttachRequest first;
    stream.Read(&first);
    EXPECT_EQ(first.has_tail_bytes(), ++legs == 2);
    v1::AttachResponse response;
    response.set_console(v1::CONSOLE_PIPE);
    stream.Write(response);
    response.Clear();
    response.set_data(legs == 1 ? "one" : "onetwo");
    stream.Write(response);
    if (legs == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broke");
    EndTask(0);
    return grpc::Status::OK;
  });
  harness_.stdin_fd = -1;
  const auto result = harness_.Run({"attach", "12"});
  EXPECT_EQ(result.out, "onetwo");
  EXPECT_THAT(result.err, HasSubstr("trying again"));
}

TEST_F(ConsoleTest, CtrlCInAttachOffATerminalCancels) {
  fake_.OnAttach([&](FakeJobService::AttachStream& stream) {
    v1::AttachResponse response;
    response.set_console(v1::CONSOLE_PIPE);
    stream.Write(response);
    harness_.Interrupt();
    fake_.AwaitCalls("Cancel", 1);
    EndTask(1);
    return grpc::Status::OK;
  });
  harness_.Run({"attach", "12"});
  EXPECT_EQ(fake_.cancellations().at(0).ids(0), "12.0");
}

TEST_F(ConsoleTest, OnATerminalTheDetachKeysLeaveTheTaskAndTheTerminalAsTheyWere) {
  const int holder = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_EQ(unlockpt(holder), 0);
  const base::UniqueFd end(open(ptsname(holder), O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios before = {};
  ASSERT_EQ(tcgetattr(end.get(), &before), 0);
  fake_.OnAttach([&](FakeJobService::AttachStream& stream) {
    v1::AttachResponse response;
    response.set_console(v1::CONSOLE_TERMINAL);
    stream.Write(response);
    // Keys are keys only from then on.
    EXPECT_TRUE(testing::Await([&] {
      termios now = {};
      return tcgetattr(end.get(), &now) == 0 && (now.c_lflag & static_cast<tcflag_t>(ICANON)) == 0;
    }));
    EXPECT_EQ(write(holder, "a", 1), 1);
    std::string heard;
    v1::AttachRequest request;
    // Detaching breaks the call off: what has been heard by then is heard.
    while (heard.empty() && stream.Read(&request)) heard += request.stdin_data();
    EXPECT_EQ(write(holder, "\x10\x11", 2), 2);
    while (stream.Read(&request)) heard += request.stdin_data();
    EXPECT_EQ(heard, "a");
    return grpc::Status::OK;
  });
  harness_.stdin_fd = end.get();
  harness_.stdin_is_terminal = true;
  harness_.terminal = true;
  const auto result = harness_.Run({"attach", "12"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("ctrl-p ctrl-q detaches"));
  EXPECT_THAT(result.err, HasSubstr("detached from task 12.0"));
  termios after = {};
  ASSERT_EQ(tcgetattr(end.get(), &after), 0);
  EXPECT_EQ(after.c_lflag, before.c_lflag);
  EXPECT_EQ(after.c_iflag, before.c_iflag);
  close(holder);
}

TEST_F(ConsoleTest, WhatGoesWithTheSubmissionIsInThePayload) {
  harness_.environment["TERM"] = "xterm-256color";
  harness_.Run({"submit", "--pty", "--", "bash"});
  harness_.Run({"submit", "-i", "--", "cat"});
  harness_.stdin_text = "from here";
  harness_.Run({"submit", "--stdin", "-", "--", "cat"});
  harness_.Run({"submit", "--upload", "tests/skips.txt", "--", "cat"});
  const auto payload = [&](std::size_t i) {
    return fake_.submissions().at(i).job().groups(0).template_().payload();
  };
  EXPECT_EQ(payload(0).console(), v1::CONSOLE_TERMINAL);
  EXPECT_EQ(payload(0).environment().at("TERM"), "xterm-256color");
  EXPECT_EQ(payload(1).console(), v1::CONSOLE_PIPE);
  EXPECT_EQ(payload(2).stdin_data(), "from here");
  EXPECT_EQ(payload(3).files(0).name(), "skips.txt");
  EXPECT_EQ(payload(3).working_directory(), "");
}

TEST_F(ConsoleTest, WhatDoesNotGoTogetherIsRefused) {
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& why) {
    const auto result = harness_.Run(arguments);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.screen, HasSubstr(why));  // on standard output with -o json
  };
  refused({"run", "--pty", "-i", "--", "x"}, "give one of them");
  refused({"run", "--pty", "--array", "0-3", "--", "x"}, "one task");
  refused({"run", "--pty", "-o", "json", "--", "x"}, "leave out -o");
  refused({"run", "--upload", "tests/skips.txt", "--workdir", "/tmp", "--", "x"}, "--workdir");
  refused({"run", "--upload", "/no/such", "--", "x"}, "/no/such");
  refused(
      {"submit", "--upload", "tests/skips.txt", "--upload", "tests/../tests/skips.txt", "--", "x"},
      "two files");
  refused({"cp", "a", "b"}, "TASK:PATH");
  refused({"cp", "12:a", "13:b"}, "copy it here first");
  refused({"cp", "12:", "b"}, "no path");
  refused({"port-forward", "12", "0"}, "is no port");
  refused({"port-forward", "12", "8888:99999"}, "is no port");
  refused({"port-forward", "12"}, "which port");
  refused({"attach"}, "which task");
  EXPECT_TRUE(fake_.submissions().empty());
}

TEST_F(ConsoleTest, RunFollowsTheConsoleOfItsTaskAndEndsAsItDoes) {
  fake_.OnSubmit([&](const auto&, v1::SubmitJobResponse& response) {
    v1::Task task = fake_.task(response.job_id() + ".0");
    task.set_state(v1::TASK_STATE_RUNNING);
    task.set_attempts(1);
    task.mutable_attempt()->set_id(task.id() + "#1");
    task.mutable_attempt()->set_number(1);
    task.mutable_attempt()->set_node("node-a");
    task.mutable_attempt()->set_started_unix_ms(1);
    fake_.Put(task);
  });
  fake_.OnAttach([&](FakeJobService::AttachStream& stream) {
    v1::AttachRequest first;
    stream.Read(&first);
    EXPECT_TRUE(first.has_tail_bytes());  // from the start
    v1::AttachResponse response;
    response.set_console(v1::CONSOLE_PIPE);
    stream.Write(response);
    response.Clear();
    response.set_data("prompt> " + HearAll<v1::AttachRequest>(stream));
    stream.Write(response);
    const std::string task_id = first.task_id().substr(0, first.task_id().find('#'));
    v1::Task task = fake_.task(task_id);
    task.set_state(v1::TASK_STATE_FAILED);
    task.mutable_attempt()->set_exit_code(9);
    task.mutable_attempt()->set_reason(v1::REASON_CODE_EXITED);
    task.mutable_attempt()->set_ended_unix_ms(2);
    fake_.Put(task);
    v1::Job job = fake_.job(task.job_id());
    job.set_state(v1::JOB_STATE_FAILED);
    job.set_ended_unix_ms(2);
    fake_.Put(job);
    return grpc::Status::OK;
  });
  Type("typed");
  CloseInput();
  const auto result = harness_.Run({"run", "-i", "--", "x"});
  EXPECT_EQ(result.code, 9);
  EXPECT_EQ(result.out, "prompt> typed");
  EXPECT_EQ(fake_.calls("Logs"), 0);
}

}  // namespace
}  // namespace berth::cli
