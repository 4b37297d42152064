#include "api/watch_call.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

class WatchCallTest : public ServerTest {
 protected:
  WatchCallTest() {
    request_.add_kinds(v1::OBJECT_KIND_JOB);
    On<state::CatchUp>([this](const state::Command&, const state::CatchUp&) {
      return Ok(scheduler::CatchUpReply{catch_up_}, 10);
    });
  }

  void Open() {
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = jobs_->Watch(context_.get(), request_);
  }
  v1::WatchResponse Read() {
    v1::WatchResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  wire::Refusal End() {
    v1::WatchResponse response;
    while (stream_->Read(&response)) {
    }
    return wire::FromGrpcStatus(stream_->Finish());
  }
  // Until every subscription is gone.
  void AwaitNoSubscriptions() {
    while (loop_.watches().size() != 0) std::this_thread::yield();
  }

  std::vector<state::Change> catch_up_;
  v1::WatchRequest request_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> stream_;
};

TEST_F(WatchCallTest, TheFirstMessageSaysWhereItBegins) {
  Start();
  Open();
  const v1::WatchResponse first = Read();
  EXPECT_EQ(first.epoch(), 10u);
  EXPECT_EQ(first.events_size(), 0);
  context_->TryCancel();
  End();
  AwaitNoSubscriptions();
}

TEST_F(WatchCallTest, CatchesUpAndThenFollows) {
  catch_up_ = {state::JobChange{.job = TestJob(1, 4)}};
  Start();
  request_.set_from_epoch(3);
  Open();
  v1::WatchResponse response = Read();
  EXPECT_EQ(response.epoch(), 10u);
  ASSERT_EQ(response.events_size(), 1);
  EXPECT_EQ(response.events(0).job().id(), "1");
  EXPECT_EQ(response.events(0).epoch(), 4u);

  loop_.Publish(TestBatch(11, {state::JobChange{.job = TestJob(2, 11)}}));
  response = Read();
  EXPECT_EQ(response.epoch(), 11u);
  EXPECT_EQ(response.events(0).job().id(), "2");
  const auto command = std::get<state::CatchUp>(loop_.taken().at(0).body);
  EXPECT_EQ(command.from_epoch, 3u);
  EXPECT_TRUE(command.jobs);
  EXPECT_FALSE(command.nodes);
}

TEST_F(WatchCallTest, WithoutAnEpochItBeginsNow) {
  Start();
  Open();
  Read();
  EXPECT_EQ(std::get<state::CatchUp>(loop_.taken().at(0).body).from_epoch, std::nullopt);
}

TEST_F(WatchCallTest, AChangePublishedRightAfterTheCatchUpIsNotMissed) {
  Start();
  for (int round = 0; round < 50; ++round) {
    loop_.Hold();
    Open();
    loop_.AwaitTaken(static_cast<size_t>(round) + 1);
    loop_.LetGo();
    loop_.Publish(TestBatch(11, {state::JobChange{.job = TestJob(7, 11)}}));
    v1::WatchResponse response = Read();
    if (response.events_size() == 0) response = Read();
    ASSERT_EQ(response.events_size(), 1);
    EXPECT_EQ(response.events(0).job().id(), "7");
    context_->TryCancel();
    End();
  }
  AwaitNoSubscriptions();
}

TEST_F(WatchCallTest, AnEpochThatIsTooOldNamesTheCurrentOne) {
  On<state::CatchUp>([](const state::Command&, const state::CatchUp&) {
    scheduler::Reply reply;
    reply.status = absl::OutOfRangeError("epoch 1 is gone");
    reply.reason = Reason::kEpochTooOld;
    reply.epoch = 500;
    return reply;
  });
  Start();
  request_.set_from_epoch(1);
  Open();
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kOutOfRange);
  EXPECT_EQ(error.reason, Reason::kEpochTooOld);
  EXPECT_EQ(error.metadata.at("epoch"), "500");
  EXPECT_EQ(loop_.watches().size(), 0u);
}

TEST_F(WatchCallTest, WhatIsWrongIsNamed) {
  Start();
  const auto field = [&] {
    Open();
    const wire::Refusal error = End();
    EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
    return error.violations.empty() ? "" : error.violations[0].field;
  };
  request_.clear_kinds();
  EXPECT_EQ(field(), "kinds");
  request_.add_kinds(v1::OBJECT_KIND_JOB);
  request_.add_kinds(v1::OBJECT_KIND_UNSPECIFIED);
  EXPECT_EQ(field(), "kinds[1]");
  request_.set_kinds(1, static_cast<v1::ObjectKind>(9));
  EXPECT_EQ(field(), "kinds[1]");
  request_.set_kinds(1, v1::OBJECT_KIND_NODE);
  request_.set_job_id("x");
  EXPECT_EQ(field(), "job_id");
  request_.clear_job_id();
  request_.set_namespace_("a b");
  EXPECT_EQ(field(), "namespace");
  EXPECT_TRUE(loop_.taken().empty());
}

TEST_F(WatchCallTest, AFullInboxEndsItWithATime) {
  Start();
  loop_.BeFull(1);
  Open();
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_GT(error.retry_after_ms, 0);
}

TEST_F(WatchCallTest, AReaderWhoFallsTooFarBehindIsToldWhereToGoOn) {
  options_.jobs.watches.most_objects = 100;
  Start();
  Open();
  EXPECT_EQ(Read().epoch(), 10u);
  // One epoch with more objects than may wait.
  std::vector<state::Change> changes;
  for (uint64_t id = 1; id <= 101; ++id) {
    changes.push_back(state::JobChange{.job = TestJob(id, 11)});
  }
  loop_.Publish(TestBatch(11, std::move(changes)));
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kAborted);
  EXPECT_EQ(error.reason, Reason::kTooSlow);
  EXPECT_EQ(error.metadata.at("epoch"), "10");
  AwaitNoSubscriptions();
}

TEST_F(WatchCallTest, AReaderWhoReadsNothingCostsOneObjectEach) {
  Start();
  Open();
  Read();
  // Far more than the connection's buffers hold, of ten objects.
  for (uint64_t epoch = 11; epoch <= 20'010; ++epoch) {
    loop_.Publish(TestBatch(epoch, {state::JobChange{.job = TestJob(epoch % 10 + 1, epoch)}}));
  }
  loop_.Settle();
  std::map<std::string, uint64_t> latest;
  uint64_t named = 10;
  int events = 0;
  while (named < 20'010) {
    const v1::WatchResponse response = Read();
    ASSERT_GE(response.epoch(), named);
    named = response.epoch();
    for (const v1::WatchEvent& event : response.events()) {
      EXPECT_LT(latest[event.job().id()], event.epoch());
      latest[event.job().id()] = event.epoch();
      ++events;
    }
  }
  ASSERT_EQ(latest.size(), 10u);
  for (const auto& [id, epoch] : latest) EXPECT_GT(epoch, 20'000u) << id;
  EXPECT_LE(events, 20'000);
}

TEST_F(WatchCallTest, WhomNothingConcernsHearsHowFarItIs) {
  options_.jobs.watches.bookmark_epochs = 5;
  Start();
  Open();
  EXPECT_EQ(Read().epoch(), 10u);
  for (uint64_t epoch = 11; epoch <= 15; ++epoch) {
    loop_.Publish(TestBatch(epoch, {state::AuditChange{}}));
  }
  const v1::WatchResponse bookmark = Read();
  EXPECT_EQ(bookmark.epoch(), 15u);
  EXPECT_EQ(bookmark.events_size(), 0);
}

TEST_F(WatchCallTest, MessagesAreCutToSize) {
  options_.jobs.watches.message_bytes = 2000;
  for (uint64_t id = 1; id <= 200; ++id) {
    catch_up_.push_back(state::JobChange{.job = TestJob(id, 5)});
  }
  Start();
  request_.set_from_epoch(1);
  Open();
  int events = 0;
  int messages = 0;
  while (events < 200) {
    const v1::WatchResponse response = Read();
    EXPECT_LT(response.ByteSizeLong(), 3000u);
    events += response.events_size();
    EXPECT_EQ(response.epoch(), events < 200 ? 4u : 10u);
    ++messages;
  }
  EXPECT_GT(messages, 5);
}

TEST_F(WatchCallTest, ReadersWhoGoAwayAtAnyMomentLeaveNothingBehind) {
  for (uint64_t id = 1; id <= 50; ++id) {
    catch_up_.push_back(state::JobChange{.job = TestJob(id, 5)});
  }
  Start();
  request_.set_from_epoch(1);
  for (int round = 0; round < 100; ++round) {
    Open();
    if (round % 3 == 1) Read();
    if (round % 3 == 2) loop_.Hold();
    context_->TryCancel();
    loop_.Publish(
        TestBatch(11 + static_cast<uint64_t>(round), {state::JobChange{.job = TestJob(1, 11)}}));
    End();
    loop_.LetGo();
  }
  loop_.Settle();
  AwaitNoSubscriptions();
}

TEST_F(WatchCallTest, StoppingTheServerEndsItWithAReason) {
  Start();
  Open();
  Read();
  std::thread stopper([&] { server_->Stop(std::chrono::seconds(60)); });
  const wire::Refusal error = End();
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.reason, Reason::kShuttingDown);
  stopper.join();
  EXPECT_EQ(loop_.watches().size(), 0u);
}

}  // namespace
}  // namespace berth::api
