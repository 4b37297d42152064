#include "api/relay_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

using ::testing::HasSubstr;

class RelayCallTest : public ServerTest {
 protected:
  RelayCallTest() {
    On<state::LocateOutput>([this](const state::Command&, const state::LocateOutput& asked) {
      {
        base::MutexLock lock(blobs_mutex_);
        asked_ = asked;
      }
      return where_;
    });
    scheduler::OutputReply reply;
    reply.stream = 5;
    reply.node = "n7";
    reply.attempt = {.job = JobId{12}, .group = 0, .index = 3, .attempt = 2};
    where_ = Ok(reply);
  }

  static v1::DataFromAgent Output(bool is_stderr, const std::string& data) {
    v1::DataFromAgent frame;
    frame.mutable_output()->set_is_stderr(is_stderr);
    frame.mutable_output()->set_data(data);
    return frame;
  }
  static v1::DataFromAgent Open() {
    v1::DataFromAgent frame;
    frame.set_open(true);
    return frame;
  }
  static v1::ExecRequest FirstExec() {
    v1::ExecRequest request;
    request.set_task_id("12.3");
    request.add_command("cat");
    return request;
  }

  scheduler::Reply where_;
  state::LocateOutput asked_;
  grpc::ClientContext context_;
};

TEST_F(RelayCallTest, ACommandsOutputAndExitCodeReachTheClient) {
  v1::DataFromAgent ended;
  ended.mutable_command_ended()->set_exit_code(3);
  for (const auto& frame : {Open(), Output(false, "out"), Output(true, "err"), ended}) {
    outputs_.Write(frame);
  }
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  auto stream = jobs_->Exec(&context_);
  v1::ExecRequest first = FirstExec();
  first.set_tty(true);
  first.set_rows(50);
  stream->Write(first);
  v1::ExecResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.stream(), v1::OUTPUT_STREAM_STDOUT);
  EXPECT_EQ(response.data(), "out");
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.stream(), v1::OUTPUT_STREAM_STDERR);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.exit_code(), 3);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());

  const v1::ExecCommand exec = outputs_.requests().at(0).open.exec();
  EXPECT_EQ(exec.key().job_id(), 12u);
  EXPECT_EQ(exec.key().attempt(), 2u);
  EXPECT_EQ(exec.command(0), "cat");
  EXPECT_TRUE(exec.terminal());
  EXPECT_EQ(exec.window().rows(), 50);
  base::MutexLock lock(blobs_mutex_);
  EXPECT_EQ(asked_.act, "exec");
  EXPECT_TRUE(asked_.must_run);
}

TEST_F(RelayCallTest, WhatIsTypedReachesTheAgentInOrderAndItsEndOnce) {
  Start();
  auto stream = jobs_->Exec(&context_);
  stream->Write(FirstExec());
  v1::ExecRequest request;
  for (int i = 0; i < 20; ++i) {
    request.set_stdin_data(std::to_string(i));
    stream->Write(request);
  }
  request.Clear();
  request.set_columns(132);
  stream->Write(request);
  request.Clear();
  request.set_stdin_closed(true);
  stream->Write(request);
  stream->WritesDone();
  const auto sent = outputs_.AwaitSent(22);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(sent[static_cast<size_t>(i)].data(), std::to_string(i));
  EXPECT_EQ(sent[20].window().columns(), 132);
  EXPECT_TRUE(sent[21].end_of_input());
  context_.TryCancel();
  v1::ExecResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
  EXPECT_EQ(outputs_.AwaitSent(22).size(), 22u);
}

TEST_F(RelayCallTest, AClientThatGoesAwayEndsTheChannel) {
  Start();
  {
    auto stream = jobs_->Exec(&context_);
    stream->Write(FirstExec());
    v1::ExecRequest request;
    request.set_stdin_data("x");
    stream->Write(request);
    outputs_.AwaitSent(1);
    context_.TryCancel();
    stream->Finish().ok();
  }
  outputs_.AwaitClosed(1);
}

TEST_F(RelayCallTest, TheLoopsRefusalIsTheAnswer) {
  where_.status = absl::FailedPreconditionError("task 12.3: it is queued");
  where_.reason = Reason::kTaskNotRunning;
  Start();
  auto stream = jobs_->Exec(&context_);
  stream->Write(FirstExec());
  v1::ExecResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const wire::Refusal error = Error(stream->Finish());
  EXPECT_EQ(error.code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(error.reason, Reason::kTaskNotRunning);
  EXPECT_TRUE(outputs_.requests().empty());
}

TEST_F(RelayCallTest, ANodeThatIsAwayIsNamed) {
  scheduler::OutputReply away;
  away.node = "n7";
  where_ = Ok(away);
  Start();
  auto stream = jobs_->Attach(&context_);
  v1::AttachRequest first;
  first.set_task_id("12.3");
  stream->Write(first);
  v1::AttachResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const wire::Refusal error = Error(stream->Finish());
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("node \"n7\""));
}

TEST_F(RelayCallTest, WrongFirstMessagesAreRefusedByField) {
  Start();
  const auto refused = [&](const v1::ExecRequest& request) {
    grpc::ClientContext context;
    auto stream = jobs_->Exec(&context);
    stream->Write(request);
    v1::ExecResponse response;
    EXPECT_FALSE(stream->Read(&response));
    const wire::Refusal error = Error(stream->Finish());
    EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
    return error.violations.empty() ? std::string() : error.violations[0].field;
  };
  v1::ExecRequest request;
  EXPECT_EQ(refused(request), "task_id");
  request.set_task_id("12.3");
  EXPECT_EQ(refused(request), "command");
  request.add_command("cat");
  request.set_rows(-1);
  EXPECT_EQ(refused(request), "rows");
  request.set_rows(0);
  request.set_stdin_data(std::string((64 << 10) + 1, 'x'));
  EXPECT_EQ(refused(request), "stdin_data");
  EXPECT_TRUE(loop_.taken().empty());
}

TEST_F(RelayCallTest, AFileComesWithItsHeaderAndOffsets) {
  v1::DataFromAgent header;
  header.mutable_path()->set_mode(0640);
  header.mutable_path()->set_size_bytes(6);
  v1::DataFromAgent data;
  data.set_data("abc");
  for (const auto& frame : {header, data, data}) outputs_.Write(frame);
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  v1::ReadFileRequest request;
  request.set_task_id("12.3");
  request.set_path("/etc/x");
  auto stream = jobs_->ReadFile(&context_, request);
  v1::FileChunk chunk;
  ASSERT_TRUE(stream->Read(&chunk));
  EXPECT_EQ(chunk.mode(), 0640);
  EXPECT_EQ(chunk.size_bytes(), 6);
  ASSERT_TRUE(stream->Read(&chunk));
  ASSERT_TRUE(stream->Read(&chunk));
  EXPECT_EQ(chunk.offset(), 3);
  EXPECT_EQ(chunk.data(), "abc");
  EXPECT_FALSE(stream->Read(&chunk));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(outputs_.requests().at(0).open.read_path().path(), "/etc/x");
}

TEST_F(RelayCallTest, AFileIsWrittenToItsEndBeforeTheAnswer) {
  v1::DataFromAgent written;
  written.set_written_bytes(5);
  outputs_.Write(Open());
  outputs_.Write(written);
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  v1::WriteFileResponse response;
  auto stream = jobs_->WriteFile(&context_, &response);
  v1::WriteFileRequest request;
  request.set_task_id("12.3");
  request.set_path("x");
  request.set_mode(0600);
  request.set_data("hello");
  stream->Write(request);
  stream->WritesDone();
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(response.bytes(), 5);
  const wire::DataRequest asked = outputs_.requests().at(0);
  EXPECT_EQ(asked.open.write_path().mode(), 0600);
}

TEST_F(RelayCallTest, AnAgentsErrorEndsAnUpload) {
  outputs_.EndWith(absl::PermissionDeniedError("node \"n7\": x: Permission denied"),
                   Reason::kNotAllowed);
  Start();
  v1::WriteFileResponse response;
  auto stream = jobs_->WriteFile(&context_, &response);
  v1::WriteFileRequest request;
  request.set_task_id("12.3");
  request.set_path("x");
  request.set_data(std::string(64 << 10, 'x'));
  while (stream->Write(request)) request.set_task_id("");
  const wire::Refusal error = Error(stream->Finish());
  EXPECT_EQ(error.code, absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(error.reason, Reason::kNotAllowed);
}

// Calls that stay open, as many as a test wants.
class OpenRelaysTest : public RelayCallTest {
 protected:
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<v1::ExecRequest, v1::ExecResponse>> stream;
  };

  // Each is to an attempt of its own.
  void SpreadOverAttempts() {
    On<state::LocateOutput>([this](const state::Command&, const state::LocateOutput&) {
      scheduler::Reply reply = where_;
      std::get<scheduler::OutputReply>(reply.body).attempt.index = next_index_++;
      return reply;
    });
  }
  std::unique_ptr<Call> Begin(v1::JobService::Stub& stub) {
    auto call = std::make_unique<Call>();
    call->stream = stub.Exec(&call->context);
    call->stream->Write(FirstExec());
    return call;
  }
  // Returns when its channel to the agent is open.
  void Open(v1::JobService::Stub& stub) {
    calls_.push_back(Begin(stub));
    outputs_.AwaitOpened(++opened_);
  }
  wire::Refusal Refused(v1::JobService::Stub& stub) {
    const auto call = Begin(stub);
    v1::ExecResponse response;
    EXPECT_FALSE(call->stream->Read(&response));
    return Error(call->stream->Finish());
  }
  // As a client does that is killed. Returns when the server has noticed.
  void Cancel(size_t call) {
    calls_[call]->context.TryCancel();
    outputs_.AwaitClosed(++closed_);
  }
  void TearDown() override {
    for (const auto& call : calls_) call->context.TryCancel();
    for (const auto& call : calls_) call->stream->Finish().ok();
    RelayCallTest::TearDown();
  }

  std::vector<std::unique_ptr<Call>> calls_;
  size_t opened_ = 0;
  int closed_ = 0;
  std::atomic<uint32_t> next_index_ = 100;
};

TEST_F(OpenRelaysTest, AnAttemptHasSoManyAndOneMoreWhenOneHasEnded) {
  Start();
  for (size_t i = 0; i < RelayCall::kMostOfAttempt; ++i) Open(*jobs_);
  const wire::Refusal refused = Refused(*jobs_);
  EXPECT_EQ(refused.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.reason, Reason::kInboxFull);
  EXPECT_GT(refused.retry_after_ms, 0);
  EXPECT_THAT(refused.message, HasSubstr("task 12.3: it has 32 calls"));
  EXPECT_THAT(refused.message, HasSubstr("end one of them"));
  Cancel(0);
  Open(*jobs_);
  EXPECT_EQ(Refused(*jobs_).code, absl::StatusCode::kResourceExhausted);
}

TEST_F(OpenRelaysTest, APersonHasSoManyOverAllAttemptsAndOneMoreWhenOneHasEnded) {
  SpreadOverAttempts();
  Start();
  for (size_t i = 0; i < RelayCall::kMostOfPrincipal; ++i) Open(*anonymous_jobs_);
  const size_t asked = loop_.taken().size();
  const wire::Refusal refused = Refused(*anonymous_jobs_);
  EXPECT_EQ(refused.code, absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message, HasSubstr("anonymous has 64 calls"));
  EXPECT_EQ(loop_.taken().size(), asked);
  Open(*jobs_);  // an operator
  Cancel(0);
  Open(*anonymous_jobs_);
}

TEST_F(OpenRelaysTest, OperatorsHaveAsManyAsThereAreTasks) {
  SpreadOverAttempts();
  Start();
  for (size_t i = 0; i < RelayCall::kMostOfPrincipal + 1; ++i) Open(*jobs_);
}

TEST_F(OpenRelaysTest, WhatWasRefusedOrHasEndedTakesNoPlace) {
  std::atomic<int> calls = 0;
  On<state::LocateOutput>([&](const state::Command&, const state::LocateOutput&) {
    scheduler::Reply reply = where_;
    if (calls++ % 2 == 0) {
      reply.status = absl::FailedPreconditionError("task 12.3: it is queued");
      reply.reason = Reason::kTaskNotRunning;
    }
    return reply;
  });
  outputs_.EndWith(absl::UnavailableError("node \"n7\": it is gone"), Reason::kNodeNotReady);
  Start();
  for (size_t i = 0; i < 2 * RelayCall::kMostOfPrincipal + 2; ++i) {
    EXPECT_EQ(Refused(*anonymous_jobs_).reason,
              i % 2 == 0 ? Reason::kTaskNotRunning : Reason::kNodeNotReady);
  }
}

TEST_F(RelayCallTest, AStoppingServerEndsItsCalls) {
  Start();
  auto stream = jobs_->Exec(&context_);
  stream->Write(FirstExec());
  v1::ExecRequest request;
  request.set_stdin_data("x");
  stream->Write(request);
  outputs_.AwaitSent(1);
  std::thread stopper([&] { server_->Stop(std::chrono::seconds(5)); });
  v1::ExecResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(Error(stream->Finish()).reason, Reason::kShuttingDown);
  stopper.join();
}

}  // namespace
}  // namespace berth::api
