// The client against scorers that do well, badly, and worse, with a loop's turns behind it.
#include "scoring/scorer_client.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "berth/v1/scorer.grpc.pb.h"
#include "scoring/remote_scorers.h"
#include "tests/support/await.h"
#include "tests/support/plugin_args_builder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/turn_harness.h"

namespace berth::scoring {
namespace {

using ::berth::testing::Arg;
using ::berth::testing::ArgMap;
using ::berth::testing::Await;
using ::testing::HasSubstr;

using Stream = grpc::ServerReaderWriter<v1::ScoreResponse, v1::ScoreRequest>;

// All that one call said.
struct Asked {
  v1::ScorerSnapshot snapshot;
  std::vector<v1::ScorerNode> nodes;
  std::vector<uint64_t> shapes;
};

class TestScorer final : public v1::ScorerService::Service {
 public:
  using Behaviour = std::function<grpc::Status(const Asked&, Stream&, grpc::ServerContext&)>;

  TestScorer(const std::string& address, Behaviour behaviour) : behaviour_(std::move(behaviour)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~TestScorer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status Score(grpc::ServerContext* context, Stream* stream) override {
    Asked asked;
    v1::ScoreRequest request;
    while (stream->Read(&request)) {
      if (request.has_snapshot()) asked.snapshot = request.snapshot();
      for (const auto& node : request.nodes().nodes()) asked.nodes.push_back(node);
      for (const auto& shape : request.shapes().shapes()) asked.shapes.push_back(shape.id());
    }
    {
      std::lock_guard lock(mutex_);
      asked_.push_back(asked);
    }
    return behaviour_(asked, *stream, *context);
  }
  std::vector<Asked> asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  const Behaviour behaviour_;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  std::unique_ptr<grpc::Server> server_;
};

v1::ScoreResponse AcceptanceOf(const Asked& asked) {
  v1::ScoreResponse message;
  message.mutable_accepted()->set_sequence(asked.snapshot.sequence());
  message.mutable_accepted()->set_epoch(asked.snapshot.epoch());
  return message;
}

// The slot gets the best score, the others none.
TestScorer::Behaviour Favours(uint32_t slot, int64_t time_to_live_ms = 60'000) {
  return [=](const Asked& asked, Stream& stream, grpc::ServerContext&) {
    v1::ScoreResponse accepts = AcceptanceOf(asked);
    accepts.mutable_accepted()->set_time_to_live_ms(time_to_live_ms);
    stream.Write(accepts);
    for (const uint64_t shape : asked.shapes) {
      v1::ScoreResponse message;
      message.mutable_column()->set_shape(shape);
      message.mutable_column()->mutable_scores()->Resize(static_cast<int>(asked.snapshot.slots()),
                                                         0);
      message.mutable_column()->set_scores(static_cast<int>(slot), 1 << 20);
      stream.Write(message);
    }
    return grpc::Status::OK;
  };
}

class ScorerClientTest : public ::testing::Test {
 protected:
  ScorerClientTest()
      : address_("unix:" + folder_.path() + "/scorer.sock"),
        args_(ArgMap({{"address", Arg(address_)}})),
        harness_(
            {.check_placements = 1}, [](PluginRegistry&) {}, ProfileOf(args_)) {
    for (const char* node : {"n0", "n1", "n2"}) harness_.Connect(node, 64'000, 65'536);
    harness_.SubmitOk({.cpu_milli = 100});
  }
  ~ScorerClientTest() override { scorers_.Stop(); }

  static pipeline::ProfileOptions ProfileOf(const PluginArgs& args) {
    pipeline::ProfileOptions profile;
    profile.scores.disabled = {"*"};
    profile.scores.enabled = {{"RemoteScorer", 1}};
    profile.plugin_config = {{"RemoteScorer", args}};
    return profile;
  }
  ScorerOptions OptionsOf(int64_t timeout_ms = 5000) const {
    return {.profile = "default",
            .args = args_,
            .address = address_,
            .timeout_ms = timeout_ms,
            .interval_ms = 20,
            .time_to_live_ms = 60'000,
            .most_shapes = 100,
            .breaker = {.failures = 3, .longest_pause_ms = 1000}};
  }
  void Start(int64_t timeout_ms = 5000) { scorers_.Configure({OptionsOf(timeout_ms)}); }
  absl::Status Post(state::Command command, const scheduler::ReplyCallback& reply) {
    scheduler::Reply answer;
    {
      std::lock_guard lock(mutex_);
      answer = harness_.Ask(std::move(command.body), command.principal);
    }
    reply(std::move(answer));
    return absl::OkStatus();
  }
  std::string PlacedOn() {
    std::lock_guard lock(mutex_);
    return harness_.TaskOf(harness_.SubmitOk({.cpu_milli = 100})).row.attempt.node;
  }
  uint64_t Scored() {
    std::lock_guard lock(mutex_);
    return harness_.turn().scored_shapes().at(0).scored;
  }
  uint64_t Calls(CallResult result) {
    return scorers_.stats().at(0).calls[static_cast<size_t>(result)];
  }
  std::string NoteText() {
    std::lock_guard lock(mutex_);
    return harness_
        .Get<scheduler::ExplainReply>(state::Explain{.object = {.job = JobId{1}}, .top = 1})
        .explanation.score_notes.at(0)
        .text;
  }

  const testing::TempDir folder_;
  const std::string address_;
  const PluginArgs args_;
  std::mutex mutex_;
  scheduler::TurnHarness harness_;
  base::SystemClock clock_;
  RemoteScorers scorers_{[this](state::Command command, scheduler::ReplyCallback reply) {
                           return Post(std::move(command), reply);
                         },
                         clock_};
};

TEST_F(ScorerClientTest, PlacementFollowsTheScorer) {
  TestScorer scorer(address_, Favours(2));
  Start();
  ASSERT_TRUE(Await([&] { return Scored() == 1; }));
  EXPECT_EQ(PlacedOn(), "n2");
  ASSERT_TRUE(Await([&] { return scorers_.stats().at(0).last_success_unix_ms > 0; }));
  EXPECT_GT(scorers_.stats().at(0).epoch, 0u);
  const Asked first = scorer.asked().at(0);
  EXPECT_EQ(first.nodes.size(), 3u);
  EXPECT_FALSE(first.snapshot.has_base_sequence());
}

TEST_F(ScorerClientTest, TellsWhatHasChangedAndNothingWhenNothingHas) {
  TestScorer scorer(address_, Favours(1));
  Start();
  ASSERT_TRUE(Await([&] { return Scored() == 1; }));
  // One of the slots changes at a time.
  const size_t before = scorer.asked().size();
  EXPECT_EQ(PlacedOn(), "n1");
  ASSERT_TRUE(Await([&] { return scorer.asked().size() > before; }));
  const Asked delta = scorer.asked().at(before);
  ASSERT_EQ(delta.nodes.size(), 1u);
  EXPECT_EQ(delta.nodes[0].slot(), 1u);
  EXPECT_FALSE(delta.nodes[0].has_inventory());
  EXPECT_EQ(delta.nodes[0].tasks(), static_cast<int>(delta.nodes[0].allocated().cpu_milli() / 100));
  EXPECT_TRUE(delta.snapshot.has_base_sequence());
  EXPECT_LT(delta.snapshot.base_sequence(), delta.snapshot.sequence());
}

TEST_F(ScorerClientTest, AScorerThatHasForgottenIsToldEverythingAtOnce) {
  bool has_forgotten = false;
  TestScorer scorer(
      address_, [&](const Asked& asked, Stream& stream, grpc::ServerContext& context) {
        if (asked.snapshot.has_base_sequence() && !std::exchange(has_forgotten, true)) {
          return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "unknown snapshot");
        }
        return Favours(0)(asked, stream, context);
      });
  Start();
  ASSERT_TRUE(Await([&] { return Scored() == 1; }));
  PlacedOn();
  ASSERT_TRUE(Await([&] { return Calls(CallResult::kUnknownSnapshot) == 1; }));
  ASSERT_TRUE(Await([&] { return Calls(CallResult::kOk) >= 2; }));
  const auto asked = scorer.asked();
  EXPECT_EQ(asked.at(2).nodes.size(), 3u);
  EXPECT_FALSE(asked.at(2).snapshot.has_base_sequence());
  EXPECT_EQ(scorers_.stats().at(0).breaker, base::CircuitBreaker::State::kClosed);
}

TEST_F(ScorerClientTest, LiesAreRefusedNamedAndCounted) {
  TestScorer scorer(address_, [](const Asked& asked, Stream& stream, grpc::ServerContext&) {
    stream.Write(AcceptanceOf(asked));
    v1::ScoreResponse message;
    message.mutable_column()->set_shape(asked.shapes.at(0));
    message.mutable_column()->mutable_scores()->Resize(static_cast<int>(asked.snapshot.slots()), 0);
    message.mutable_column()->set_scores(1, 2'000'000);
    stream.Write(message);
    return grpc::Status::OK;
  });
  Start();
  ASSERT_TRUE(Await([&] { return Calls(CallResult::kRefused) >= 3; }));
  ASSERT_TRUE(Await([&] { return NoteText().find("breaker") != std::string::npos; }));
  EXPECT_THAT(NoteText(), HasSubstr("it gave slot 1 the score 2000000"));
  EXPECT_EQ(Scored(), 0u);
  EXPECT_NE(PlacedOn(), "");
}

TEST_F(ScorerClientTest, AScorerThatHangsIsGivenUp) {
  TestScorer scorer(address_, [](const Asked&, Stream&, grpc::ServerContext& context) {
    EXPECT_TRUE(Await([&] { return context.IsCancelled(); }));
    return grpc::Status::OK;
  });
  Start(/*timeout_ms=*/50);
  ASSERT_TRUE(Await([&] { return Calls(CallResult::kTimeout) >= 2; }));
  EXPECT_THAT(NoteText(), HasSubstr("it has not answered within 50ms"));
  EXPECT_NE(PlacedOn(), "");
}

TEST_F(ScorerClientTest, AnAnswerThatBreaksOffIsNotUsed) {
  TestScorer scorer(address_, [](const Asked& asked, Stream& stream, grpc::ServerContext& context) {
    EXPECT_TRUE(Favours(1)(asked, stream, context).ok());
    return grpc::Status(grpc::StatusCode::INTERNAL, "something broke");
  });
  Start();
  ASSERT_TRUE(Await([&] { return Calls(CallResult::kError) >= 1; }));
  ASSERT_TRUE(Await([&] { return NoteText().find("something broke") != std::string::npos; }));
  EXPECT_EQ(Scored(), 0u);
}

TEST_F(ScorerClientTest, WhatItSaysOfItsErrorsIsMadeFitForALine) {
  TestScorer scorer(address_, [](const Asked&, Stream&, grpc::ServerContext&) {
    return grpc::Status(grpc::StatusCode::INTERNAL, "no\nend " + std::string(2000, 'x'));
  });
  Start();
  ASSERT_TRUE(Await([&] { return NoteText().find("no end xxx") != std::string::npos; }));
  EXPECT_LT(NoteText().size(), 600u);
}

TEST_F(ScorerClientTest, OneThatComesBackIsFound) {
  Start();
  ASSERT_TRUE(
      Await([&] { return scorers_.stats().at(0).breaker == base::CircuitBreaker::State::kOpen; }));
  EXPECT_GE(Calls(CallResult::kUnreachable), 3u);
  TestScorer scorer(address_, Favours(2));
  ASSERT_TRUE(Await([&] { return Scored() == 1; }));
  EXPECT_EQ(PlacedOn(), "n2");
  EXPECT_EQ(scorers_.stats().at(0).breaker, base::CircuitBreaker::State::kClosed);
  EXPECT_THAT(NoteText(), HasSubstr("as of epoch"));
}

TEST_F(ScorerClientTest, WhatWasSaidBeforeEndsWhenTheBreakerOpens) {
  std::atomic<bool> works = true;
  TestScorer scorer(address_,
                    [&](const Asked& asked, Stream& stream, grpc::ServerContext& context) {
                      if (works) return Favours(2)(asked, stream, context);
                      return grpc::Status(grpc::StatusCode::INTERNAL, "broken");
                    });
  Start();
  ASSERT_TRUE(Await([&] { return Scored() == 1; }));
  works = false;
  ASSERT_TRUE(Await([&] {
    PlacedOn();  // something changes, so that it is asked
    return scorers_.stats().at(0).breaker == base::CircuitBreaker::State::kOpen;
  }));
  ASSERT_TRUE(Await([&] { return Scored() == 0; }));
  works = true;
  ASSERT_TRUE(Await([&] { return Scored() == 1; }));
}

TEST_F(ScorerClientTest, ScoresThatHoldShorterAreAskedForSooner) {
  TestScorer scorer(address_, Favours(1, /*time_to_live_ms=*/200));
  Start();
  // Nothing changes, and by the loop's time nothing is ever stale: it is their time alone.
  ASSERT_TRUE(Await([&] { return Calls(CallResult::kOk) >= 3; }));
}

TEST_F(ScorerClientTest, StopsInTheMiddleOfACall) {
  std::atomic<bool> is_asked = false;
  TestScorer scorer(address_, [&](const Asked&, Stream&, grpc::ServerContext& context) {
    is_asked = true;
    EXPECT_TRUE(Await([&] { return context.IsCancelled(); }));
    return grpc::Status::OK;
  });
  Start(/*timeout_ms=*/300'000);
  ASSERT_TRUE(Await([&] { return is_asked.load(); }));
  scorers_.Stop();
  EXPECT_TRUE(scorers_.stats().empty());
}

TEST_F(ScorerClientTest, AClientThatStaysTheSameGoesOn) {
  TestScorer scorer(address_, Favours(2));
  Start();
  ASSERT_TRUE(Await([&] { return Scored() == 1; }));
  const std::string session = scorer.asked().at(0).snapshot.session();
  Start();
  PlacedOn();
  const size_t calls = scorer.asked().size();
  ASSERT_TRUE(Await([&] {
    PlacedOn();
    return scorer.asked().size() > calls;
  }));
  EXPECT_EQ(scorer.asked().back().snapshot.session(), session);
}

}  // namespace
}  // namespace berth::scoring
