#include "api/batch_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <set>
#include <thread>

#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

// A loop that keeps how far each batch has come, as the real one does.
class BatchCallTest : public ServerTest {
 protected:
  BatchCallTest() {
    On<state::GetBatch>([this](const state::Command&, const state::GetBatch& get) {
      return Ok(scheduler::BatchReply{next_[get.batch_id]});
    });
    On<state::NoteBatchRefusal>([this](const state::Command&, const state::NoteBatchRefusal& note) {
      if (note.batch_offset == next_[note.batch_id]) ++next_[note.batch_id];
      return Ok(scheduler::BatchReply{next_[note.batch_id]});
    });
    On<state::SubmitJob>([this](const state::Command&, const state::SubmitJob& submit) {
      int64_t& next = next_[submit.batch_id];
      if (submit.batch_offset != next) {
        scheduler::Reply reply;
        reply.status = absl::FailedPreconditionError("item " + std::to_string(next) + " is next");
        reply.reason = Reason::kInvalidField;
        reply.field = "offset";
        return reply;
      }
      ++next;
      if (submit.spec->profile == "unknown") {
        scheduler::Reply reply;
        reply.status = absl::NotFoundError("profile \"unknown\": there is none");
        reply.reason = Reason::kUnknownProfile;
        reply.field = "job.profile";
        return reply;
      }
      admitted_.push_back(submit.batch_offset);
      return Ok(scheduler::SubmitReply{
          .job = JobId{100 + static_cast<uint64_t>(submit.batch_offset)}, .tasks = 1});
    });
  }

  void Open() {
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = jobs_->SubmitJobs(context_.get());
  }
  // Sends the first message, without an item, and returns the offset that the server answers.
  int64_t Begin(const std::string& batch_id) {
    Open();
    v1::SubmitJobsRequest request;
    request.set_batch_id(batch_id);
    EXPECT_TRUE(stream_->Write(request));
    const v1::SubmitJobsResponse response = Read();
    EXPECT_TRUE(response.has_resume_offset());
    return response.resume_offset();
  }
  bool Send(int64_t offset, const v1::JobSpec& job = GoodJob()) {
    v1::SubmitJobsRequest request;
    request.set_offset(offset);
    *request.mutable_job() = job;
    return stream_->Write(request);
  }
  v1::SubmitJobsResponse Read() {
    v1::SubmitJobsResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  grpc::Status Finish() {
    stream_->WritesDone();
    v1::SubmitJobsResponse response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }
  wire::Refusal End() { return wire::FromGrpcStatus(Finish()); }

  // The releasing thread's: used in Settle.
  std::map<std::string, int64_t> next_;
  std::vector<int64_t> admitted_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubmitJobsRequest, v1::SubmitJobsResponse>> stream_;
};

TEST_F(BatchCallTest, EachItemIsAcknowledgedInOrder) {
  Start();
  EXPECT_EQ(Begin("b"), 0);
  std::thread sender([&] {
    for (int64_t i = 0; i < 1000; ++i) ASSERT_TRUE(Send(i));
  });
  for (int64_t i = 0; i < 1000; ++i) {
    const v1::SubmitJobsResponse response = Read();
    ASSERT_EQ(response.offset(), i);
    ASSERT_FALSE(response.has_resume_offset());
    ASSERT_EQ(response.admitted().job_id(), std::to_string(100 + i));
  }
  sender.join();
  EXPECT_TRUE(Finish().ok());
}

TEST_F(BatchCallTest, ARefusedItemIsAcknowledgedInItsPlaceAndDoesNotEndTheStream) {
  Start();
  Begin("b");
  v1::JobSpec bad = GoodJob();
  bad.set_priority(9999);
  v1::JobSpec unknown = GoodJob();
  unknown.set_profile("unknown");
  ASSERT_TRUE(Send(0));
  ASSERT_TRUE(Send(1, bad));
  ASSERT_TRUE(Send(2, unknown));
  ASSERT_TRUE(Send(3));
  EXPECT_TRUE(Read().has_admitted());
  v1::SubmitJobsResponse refused = Read();
  EXPECT_EQ(refused.offset(), 1);
  EXPECT_EQ(refused.error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(refused.error().reason(), v1::REASON_CODE_INVALID_FIELD);
  EXPECT_EQ(refused.error().field(), "priority");
  refused = Read();
  EXPECT_EQ(refused.offset(), 2);
  EXPECT_EQ(refused.error().reason(), v1::REASON_CODE_UNKNOWN_PROFILE);
  EXPECT_EQ(refused.error().field(), "profile");
  EXPECT_EQ(Read().offset(), 3);
  EXPECT_TRUE(Finish().ok());
  loop_.Settle([&] { EXPECT_EQ(next_["b"], 4); });
}

TEST_F(BatchCallTest, GoesOnAfterABreakWhereTheAnswersEnd) {
  Start();
  Begin("b");
  for (int64_t i = 0; i < 10; ++i) ASSERT_TRUE(Send(i));
  for (int64_t i = 0; i < 5; ++i) Read();
  context_->TryCancel();
  Finish();
  const int64_t resume = Begin("b");
  EXPECT_GE(resume, 5);
  EXPECT_LE(resume, 10);
  for (int64_t i = resume; i < 10; ++i) ASSERT_TRUE(Send(i));
  for (int64_t i = resume; i < 10; ++i) EXPECT_EQ(Read().offset(), i);
  EXPECT_TRUE(Finish().ok());
  loop_.Settle([&] {
    EXPECT_EQ(std::set<int64_t>(admitted_.begin(), admitted_.end()).size(), admitted_.size());
    EXPECT_EQ(admitted_.size(), 10u);
  });
}

TEST_F(BatchCallTest, WhatHasItsAnswerIsSkippedWhenItIsSentAgain) {
  loop_.Settle([&] { next_["b"] = 3; });
  Start();
  EXPECT_EQ(Begin("b"), 3);
  for (int64_t i = 0; i < 5; ++i) ASSERT_TRUE(Send(i));
  EXPECT_EQ(Read().offset(), 3);
  EXPECT_EQ(Read().offset(), 4);
  EXPECT_TRUE(Finish().ok());
  loop_.Settle([&] { EXPECT_EQ(admitted_, (std::vector<int64_t>{3, 4})); });
}

TEST_F(BatchCallTest, TheFirstMessageMayHaveTheFirstItem) {
  Start();
  Open();
  v1::SubmitJobsRequest request;
  request.set_batch_id("b");
  *request.mutable_job() = GoodJob();
  ASSERT_TRUE(stream_->Write(request));
  EXPECT_EQ(Read().resume_offset(), 0);
  const v1::SubmitJobsResponse answer = Read();
  EXPECT_TRUE(answer.has_admitted());
  EXPECT_EQ(answer.offset(), 0);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(BatchCallTest, OffsetsRiseByOne) {
  Start();
  Begin("b");
  ASSERT_TRUE(Send(0));
  Read();
  Send(2);
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.violations.at(0).field, "offset");
  EXPECT_EQ(Begin("b"), 1);
  Send(-1);
  EXPECT_EQ(End().violations.at(0).field, "offset");
}

TEST_F(BatchCallTest, ABatchHasAName) {
  Start();
  for (const std::string& id : {std::string(), std::string(65, 'b'), std::string("a\nb")}) {
    Open();
    v1::SubmitJobsRequest request;
    request.set_batch_id(id);
    *request.mutable_job() = GoodJob();
    stream_->Write(request);
    EXPECT_EQ(End().violations.at(0).field, "batch_id");
  }
  Begin("b");
  v1::SubmitJobsRequest request;
  request.set_batch_id("c");
  *request.mutable_job() = GoodJob();
  stream_->Write(request);
  EXPECT_EQ(End().violations.at(0).field, "batch_id");
  Begin("b");
  stream_->Write({});
  EXPECT_EQ(End().violations.at(0).field, "job");
}

TEST_F(BatchCallTest, TextThatIsNotUtf8EndsTheStreamByName) {
  Start();
  Begin("b");
  v1::JobSpec job = GoodJob();
  job.set_name("\xff");
  Send(0, job);
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.message, "job.name: not valid UTF-8");
}

TEST_F(BatchCallTest, AFullInboxIsWaitedForWhileSomethingIsUnderWay) {
  Start();
  Begin("b");
  loop_.Hold();
  ASSERT_TRUE(Send(0));
  loop_.AwaitTaken(2);
  loop_.BeFull(1);
  ASSERT_TRUE(Send(1));
  while (loop_.refused() == 0) std::this_thread::yield();
  loop_.LetGo();
  EXPECT_EQ(Read().offset(), 0);
  EXPECT_EQ(Read().offset(), 1);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(BatchCallTest, AFullInboxWithNothingUnderWayEndsTheStreamWithATime) {
  Start();
  Begin("b");
  ASSERT_TRUE(Send(0));
  Read();
  loop_.BeFull(1);
  ASSERT_TRUE(Send(1));
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_GT(error.retry_after_ms, 0);
  EXPECT_EQ(Begin("b"), 1);
}

TEST_F(BatchCallTest, NoMoreThanTheWindowIsUnderWay) {
  options_.jobs.batches.most_items = 3;
  Start();
  Begin("b");
  loop_.Hold();
  for (int64_t i = 0; i < 10; ++i) ASSERT_TRUE(Send(i));
  loop_.AwaitTaken(1 + 3);
  // What more was sent stays in the connection until an answer makes room.
  EXPECT_EQ(loop_.taken().size(), 4u);
  loop_.LetGo();
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(Read().offset(), i);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(BatchCallTest, AClientThatReadsNoAnswersIsNotReadFrom) {
  constexpr int64_t kItems = 500;
  options_.jobs.batches.most_items = 3;
  On<state::SubmitJob>([](const state::Command&, const state::SubmitJob&) {
    scheduler::Reply reply;
    reply.status = absl::NotFoundError(std::string(16 << 10, 'm'));  // to fill the connection
    return reply;
  });
  Start();
  Begin("b");
  auto sender = std::async(std::launch::async, [&] {
    for (int64_t i = 0; i < kItems; ++i) ASSERT_TRUE(Send(i));
  });
  // Some answers are in the connection; a server that read on would soon have taken everything.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (loop_.taken().size() < kItems && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_LT(loop_.taken().size(), size_t{kItems});
  for (int64_t i = 0; i < kItems; ++i) ASSERT_EQ(Read().offset(), i);
  sender.get();
  EXPECT_TRUE(Finish().ok());
}

TEST_F(BatchCallTest, ABatchBelongsToTheStreamThatNamedItLast) {
  Start();
  for (int round = 0; round < 50; ++round) {
    const std::string batch = "b" + std::to_string(round);
    SCOPED_TRACE(batch);
    Begin(batch);
    for (int64_t i = 0; i < 20; ++i) ASSERT_TRUE(Send(i));
    // berthd may still read any of these when the next stream asks how far the batch has come.
    const auto context = std::move(context_);
    const auto first = std::move(stream_);
    const int64_t resume = Begin(batch);
    for (int64_t i = resume; i < 20; ++i) ASSERT_TRUE(Send(i));
    for (int64_t i = resume; i < 20; ++i) ASSERT_EQ(Read().offset(), i);
    ASSERT_TRUE(Finish().ok());

    v1::SubmitJobsResponse response;
    for (int64_t i = 0; i < resume; ++i) {  // it was told of all that it brought
      ASSERT_TRUE(first->Read(&response));
      ASSERT_EQ(response.offset(), i);
    }
    ASSERT_FALSE(first->Read(&response));
    const wire::Refusal error = wire::FromGrpcStatus(first->Finish());
    EXPECT_EQ(error.code, absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(error.message, ::testing::HasSubstr("batch \"" + batch + "\": another stream"));
  }
  loop_.Settle([&] { EXPECT_EQ(admitted_.size(), 50u * 20); });
}

TEST_F(BatchCallTest, AnItemThatIsNotTheNextOneEndsTheStream) {
  Start();
  Begin("b");
  loop_.Settle([&] { next_["b"] = 1; });
  ASSERT_TRUE(Send(0));
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kFailedPrecondition);
}

TEST_F(BatchCallTest, ClientsWhoGoAwayAtAnyMomentLeaveNothingBehind) {
  Start();
  for (int round = 0; round < 60; ++round) {
    Begin("b" + std::to_string(round));
    if (round % 2 == 0) loop_.Hold();
    for (int64_t i = 0; i < 20; ++i) Send(i);
    context_->TryCancel();
    Finish();
    loop_.LetGo();
  }
  loop_.Settle();
  EXPECT_EQ(Begin("last"), 0);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(BatchCallTest, StoppingTheServerAnswersWhatIsUnderWayFirst) {
  Start();
  Begin("b");
  loop_.Hold();
  ASSERT_TRUE(Send(0));
  loop_.AwaitTaken(2);
  std::thread stopper([&] { server_->Stop(std::chrono::seconds(60)); });
  loop_.LetGo();
  EXPECT_EQ(Read().offset(), 0);
  v1::SubmitJobsResponse none;
  EXPECT_FALSE(stream_->Read(&none));  // the client has not closed its side
  EXPECT_EQ(wire::FromGrpcStatus(stream_->Finish()).reason, Reason::kShuttingDown);
  stopper.join();
}

}  // namespace
}  // namespace berth::api
