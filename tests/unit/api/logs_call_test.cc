#include "api/logs_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

using ::testing::HasSubstr;

class LogsCallTest : public ServerTest {
 protected:
  LogsCallTest() {
    request_.set_id("12.3");
    On<state::LocateOutput>(
        [this](const state::Command&, const state::LocateOutput&) { return Ok(where_); });
    where_.stream = 5;
    where_.node = "n7";
    where_.attempt = {.job = JobId{12}, .group = 0, .index = 3, .attempt = 2};
  }

  void Open() {
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = jobs_->Logs(context_.get(), request_);
  }
  // "out 0 abc", "err 3 def", in order, to the end.
  std::vector<std::string> ReadAll() {
    std::vector<std::string> pieces;
    v1::LogsResponse response;
    while (stream_->Read(&response)) {
      pieces.push_back(std::string(response.kept() ? "kept " : "") +
                       (response.stream() == v1::OUTPUT_STREAM_STDERR ? "err " : "out ") +
                       std::to_string(response.offset()) + " " + response.data());
    }
    return pieces;
  }
  wire::Refusal End() {
    ReadAll();
    return wire::FromGrpcStatus(stream_->Finish());
  }

  void Keep(const std::string& node, bool is_error, int64_t offset, std::string data) {
    tails_.Put(node, {{where_.attempt, is_error, offset, std::move(data)}}, [] {});
  }

  scheduler::OutputReply where_;
  v1::LogsRequest request_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::LogsResponse>> stream_;
};

TEST_F(LogsCallTest, PiecesComeInOrderToTheEnd) {
  outputs_.Write(false, 0, "abc");
  outputs_.Write(true, 0, "oops");
  outputs_.Write(false, 3, "def");
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  Open();
  EXPECT_EQ(ReadAll(), (std::vector<std::string>{"out 0 abc", "err 0 oops", "out 3 def"}));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(LogsCallTest, TheRequestReachesTheSource) {
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  request_.set_stream(v1::OUTPUT_STREAM_STDERR);
  request_.set_follow(true);
  request_.set_tail_bytes(100);
  Open();
  ReadAll();
  const wire::DataRequest request = outputs_.requests().at(0);
  EXPECT_EQ(request.stream, 5u);
  EXPECT_EQ(request.node, "n7");
  const v1::ReadOutput& read = request.open.read_output();
  EXPECT_EQ(read.key().job_id(), 12u);
  EXPECT_EQ(read.key().index(), 3);
  EXPECT_EQ(read.key().attempt(), 2u);
  EXPECT_FALSE(read.standard_output());
  EXPECT_TRUE(read.standard_error());
  EXPECT_TRUE(read.follow());
  EXPECT_EQ(read.tail_bytes(), 100);
}

TEST_F(LogsCallTest, AnAttemptMayBeNamed) {
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  request_.set_id("12.3#1");
  Open();
  ReadAll();
  EXPECT_EQ(std::get<state::LocateOutput>(loop_.taken().at(0).body).object.attempt, 1u);
}

TEST_F(LogsCallTest, ANodeThatIsNotConnectedIsNamed) {
  where_.stream = 0;
  Start();
  Open();
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.reason, Reason::kOutputUnavailable);
  EXPECT_THAT(error.message, HasSubstr("node \"n7\": its agent is not connected"));
  EXPECT_TRUE(outputs_.requests().empty());
}

TEST_F(LogsCallTest, WhatIsKeptStandsInForANodeThatIsNotConnected) {
  Keep("n7", false, 100, "the end\n");
  Keep("n7", true, 0, "oops\n");
  where_.stream = 0;
  where_.ended = true;
  Start();
  request_.set_follow(true);
  Open();
  EXPECT_EQ(ReadAll(), (std::vector<std::string>{"kept out 100 the end\n", "kept err 0 oops\n"}));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(LogsCallTest, WhoFollowsATaskThatMayGoOnIsToldThatItsNodeIsAway) {
  Keep("n7", false, 0, "so far\n");
  where_.stream = 0;
  Start();
  request_.set_follow(true);
  Open();
  EXPECT_EQ(ReadAll(), std::vector<std::string>{"kept out 0 so far\n"});
  EXPECT_EQ(wire::FromGrpcStatus(stream_->Finish()).reason, Reason::kOutputUnavailable);
}

TEST_F(LogsCallTest, WhatIsKeptIsCutToWhatWasAskedFor) {
  Keep("n7", false, 100, "0123456789");
  Keep("n7", true, 0, "oops\n");
  where_.stream = 0;
  Start();
  request_.set_tail_bytes(4);
  request_.set_stream(v1::OUTPUT_STREAM_STDOUT);
  Open();
  EXPECT_EQ(ReadAll(), std::vector<std::string>{"kept out 106 6789"});
}

TEST_F(LogsCallTest, WhatAnotherNodeSaidIsNotShown) {
  Keep("n8", false, 0, "forged");
  where_.stream = 0;
  Start();
  Open();
  EXPECT_EQ(End().reason, Reason::kOutputUnavailable);
}

TEST_F(LogsCallTest, WhatIsKeptStandsInForOutputThatTheNodeHasRemoved) {
  Keep("n7", false, 100, "the end\n");
  outputs_.EndWith(absl::UnavailableError("it is no longer on its node"),
                   Reason::kOutputUnavailable);
  Start();
  Open();
  EXPECT_EQ(ReadAll(), std::vector<std::string>{"kept out 100 the end\n"});
  EXPECT_TRUE(stream_->Finish().ok());
  outputs_.AwaitClosed(1);
}

TEST_F(LogsCallTest, TheAttemptBeforeMayBeAskedFor) {
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  request_.set_previous(true);
  Open();
  ReadAll();
  EXPECT_TRUE(std::get<state::LocateOutput>(loop_.taken().at(0).body).previous);
}

TEST_F(LogsCallTest, AnEndThatComesTooEarlySaysWhy) {
  outputs_.Write(false, 0, "abc");
  outputs_.EndWith(absl::UnavailableError("node \"n7\": the connection broke"),
                   Reason::kOutputUnavailable);
  Start();
  Open();
  EXPECT_EQ(ReadAll().size(), 1u);
  const wire::Refusal error = wire::FromGrpcStatus(stream_->Finish());
  EXPECT_EQ(error.reason, Reason::kOutputUnavailable);
  EXPECT_EQ(error.message, "node \"n7\": the connection broke");
}

TEST_F(LogsCallTest, WhatTheLoopRefusesIsRefused) {
  On<state::LocateOutput>([](const state::Command&, const state::LocateOutput&) {
    scheduler::Reply reply;
    reply.status = absl::NotFoundError("job 12: there is none of that id");
    reply.reason = Reason::kNotFound;
    return reply;
  });
  Start();
  Open();
  EXPECT_EQ(End().reason, Reason::kNotFound);
}

TEST_F(LogsCallTest, WhatIsWrongIsNamed) {
  Start();
  const auto field = [&] {
    Open();
    return End().violations.at(0).field;
  };
  request_.set_tail_bytes(-1);
  EXPECT_EQ(field(), "tail_bytes");
  request_.clear_tail_bytes();
  request_.set_stream(static_cast<v1::OutputStream>(5));
  EXPECT_EQ(field(), "stream");
  request_.set_id("last");
  EXPECT_EQ(field(), "id");
}

TEST_F(LogsCallTest, AReaderWhoDoesNotReadIsNotRunAheadOf) {
  // Far more than the connection's buffers hold.
  for (int i = 0; i < 2000; ++i) outputs_.Write(false, i << 16, std::string(1 << 16, 'x'));
  outputs_.EndWith(absl::OkStatus(), Reason::kNone);
  Start();
  Open();
  v1::LogsResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  // Nothing more is asked for than was written: when the counter stands still, the rest waits at
  // its source.
  int seen = 0;
  for (int still = 0; still < 5'000; ++still) {
    if (const int asked = outputs_.asked(); asked != seen) {
      seen = asked;
      still = 0;
    }
    std::this_thread::yield();
  }
  EXPECT_LT(seen, 1000);
  EXPECT_EQ(ReadAll().size(), 1999u);
}

TEST_F(LogsCallTest, AReaderWhoGoesAwayClosesTheTransfer) {
  outputs_.Write(false, 0, "abc");
  Start();
  request_.set_follow(true);
  Open();
  v1::LogsResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  context_->TryCancel();
  EXPECT_EQ(End().code, absl::StatusCode::kCancelled);
  outputs_.AwaitClosed(1);
}

TEST_F(LogsCallTest, ReadersWhoGoAwayAtAnyMomentLeaveNothingBehind) {
  for (int i = 0; i < 100; ++i) outputs_.Write(false, i, "x");
  Start();
  for (int round = 0; round < 100; ++round) {
    if (round % 4 == 3) loop_.Hold();
    Open();
    v1::LogsResponse response;
    for (int i = 0; i < round % 4 && round % 4 != 3; ++i) stream_->Read(&response);
    context_->TryCancel();
    End();
    loop_.LetGo();
  }
  loop_.Settle();
  // Every transfer that was opened is closed.
  server_->Stop(std::chrono::seconds(60));
  outputs_.AwaitClosed(static_cast<int>(outputs_.requests().size()));
}

TEST_F(LogsCallTest, StoppingTheServerEndsItWithAReason) {
  outputs_.Write(false, 0, "abc");
  Start();
  request_.set_follow(true);
  Open();
  v1::LogsResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  std::thread stopper([&] { server_->Stop(std::chrono::seconds(60)); });
  EXPECT_EQ(End().reason, Reason::kShuttingDown);
  stopper.join();
  outputs_.AwaitClosed(1);
}

}  // namespace
}  // namespace berth::api
