#include "agentd/agent_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "agentd/journal/journal_file.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/core_harness.h"

namespace berth::agentd {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::VariantWith;

TEST_F(CoreTest, AsksWhatBecameOfEachLiveAttempt) {
  Connect();
  const AttemptKey running{2, 0, 0, 1};
  Receive(StartDirective(key_));
  Run(running);
  const auto inspected = Only<Inspect>(Restart());
  ASSERT_EQ(inspected.size(), 2u);
  EXPECT_EQ(inspected[0].key, running);
  EXPECT_EQ(inspected[1].key, key_);
}

TEST_F(CoreTest, StartsForTheFirstTimeWhatWasNotedAndNeverStarted) {
  Connect();
  Receive(StartDirective(key_));
  Restart();
  const auto launched = Only<Launch>(Handle(TaskNeverStarted{key_}));
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].start.payload().command(0), "true");
}

TEST_F(CoreTest, DoesNotStartWhatWasToBeStoppedBeforeItsStart) {
  Connect();
  Receive(StartDirective(key_));
  Receive(StopDirective(key_));
  Restart();
  Connect();
  const std::vector<Effect> effects = Handle(TaskNeverStarted{key_});
  EXPECT_THAT(Only<Launch>(effects), IsEmpty());
  EXPECT_EQ(FactsSent(effects)[0].ended().end(), v1::ATTEMPT_END_CANCELLED);
}

TEST_F(CoreTest, StopsAgainWhatWasBeingStopped) {
  Connect();
  Run(key_);
  Receive(StopDirective(key_));
  const auto stops = Only<StopAttempt>(Restart());
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].grace_ms, 5000);
  TaskOutcome outcome;
  outcome.cause = TaskOutcome::Cause::kStopped;
  outcome.signal = 15;
  Connect();
  EXPECT_EQ(FactsSent(Handle(TaskEnded{key_, outcome}))[0].ended().end(),
            v1::ATTEMPT_END_CANCELLED);
}

TEST_F(CoreTest, DoesNotTellOfAStartTwice) {
  Connect();
  Run(key_);
  Restart();
  EXPECT_THAT(Handle(Started(key_)), ElementsAre(VariantWith<WatchAttempt>(_)));
  EXPECT_THAT(Sequences(FactsSent(Connect())), ElementsAre(1u, 2u));
}

TEST_F(CoreTest, LosesWhatRanBeforeTheMachineRestarted) {
  Connect();
  Receive(StartDirective(key_));
  const AttemptKey running{2, 0, 0, 1};
  Run(running);
  const std::vector<Effect> effects = Restart("boot-2");
  EXPECT_THAT(Only<Inspect>(effects), IsEmpty());
  const auto facts = FactsSent(Connect(3));
  ASSERT_EQ(facts.size(), 2u);
  for (const v1::Fact& fact : facts) {
    EXPECT_EQ(fact.ended().end(), v1::ATTEMPT_END_LOST);
    EXPECT_EQ(fact.ended().reason(), v1::REASON_CODE_NODE_LOST);
  }
}

TEST_F(CoreTest, AShimThatIsGoneWithoutAWordIsALoss) {
  Connect();
  Run(key_);
  const auto facts = FactsSent(Handle(TaskLost{key_, "its shim was killed"}));
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().message(), "its shim was killed");
  EXPECT_EQ(facts[0].ended().started_unix_ms(), 1000);
}

TEST_F(CoreTest, IsSomebodyElseWithoutItsJournal) {
  Connect();
  Run(key_);
  journal_.clear();
  Restart();
  const v1::Hello hello = HelloIn(Handle(LinkUp{9}));
  EXPECT_EQ(hello.incarnation(), "inc-of-nobody");
  EXPECT_EQ(hello.cluster_id(), "");
  EXPECT_EQ(hello.directive_sequence(), 0u);
  EXPECT_EQ(hello.attempts_size(), 0);
}

TEST_F(CoreTest, LeavesTheSameStateThroughASnapshot) {
  Connect();
  BringOneToEachPhase();
  v1::DaemonMessage ack;
  ack.mutable_fact_ack()->set_sequence(3);
  Receive(ack);
  const std::string before = HelloIn(Connect(3)).SerializeAsString();
  std::vector<std::string> snapshot;
  for (const auto& record : core_->Snapshot()) snapshot.push_back(record.SerializeAsString());

  Restart();
  std::vector<std::string> replayed;
  for (const auto& record : core_->Snapshot()) replayed.push_back(record.SerializeAsString());
  EXPECT_EQ(snapshot, replayed);

  journal_ = snapshot;
  const auto effects = Restart();
  EXPECT_EQ(Only<Inspect>(effects).size(), 3u);
  const std::vector<Effect> connected = Connect(3);
  EXPECT_EQ(HelloIn(connected).SerializeAsString(), before);
  EXPECT_THAT(Sequences(FactsSent(connected)), ElementsAre(4u, 5u, 6u, 7u, 8u));
  // What has not started keeps its payload, for its first start.
  const auto launched = Only<Launch>(Handle(TaskNeverStarted{kAccepted}));
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].start.payload().command(0), "true");
  // A new fact goes on where the old ones ended.
  EXPECT_THAT(Sequences(FactsSent(Handle(Started(kAccepted)))), ElementsAre(9u));
}

TEST_F(CoreTest, RefusesAJournalOfAnotherSchemaOrWithoutAName) {
  journal::v1::JournalRecord record;
  record.mutable_opened()->set_schema(2);
  record.mutable_opened()->set_incarnation("x");
  AgentCore newer(Options("y"));
  EXPECT_THAT(newer.Replay(record.SerializeAsString()).ToString(), HasSubstr("another version"));
  record.mutable_booted()->set_boot_id("b");
  AgentCore nameless(Options("y"));
  EXPECT_FALSE(nameless.Replay(record.SerializeAsString()).ok());
  AgentCore garbled(Options("y"));
  EXPECT_FALSE(garbled.Replay("\xff\xff\xff").ok());
}

// A journal as the first release wrote it: agents of every later release read it so.
TEST_F(CoreTest, ReadsTheJournalOfSchemaOne) {
  berth::testing::TempDir dir;
  const std::string path = dir.path() + "/journal";
  std::filesystem::copy("tests/data/records/agent_journal_v1.bin", path);
  core_.emplace(Options("inc-of-nobody"));
  const auto file =
      JournalFile::Open(path, [&](std::string_view record) { return core_->Replay(record); });
  ASSERT_TRUE(file.ok()) << file.status();
  const std::vector<Effect> began = Handle(Began{"boot-1"});
  const auto inspected = Only<Inspect>(began);
  ASSERT_EQ(inspected.size(), 2u);
  const auto stops = Only<StopAttempt>(began);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].key, (AttemptKey{3, 0, 5, 1}));
  EXPECT_EQ(stops[0].grace_ms, 100);

  generation_ = 2;
  const std::vector<Effect> connected = Connect(91);
  const v1::Hello hello = HelloIn(connected);
  EXPECT_EQ(hello.incarnation(), "4c7f7a3e-7d0e-4c1c-9a5e-1f0b8f6f2a11");
  EXPECT_EQ(hello.cluster_id(), "cluster-1");
  EXPECT_EQ(hello.generation(), 2u);
  EXPECT_EQ(hello.directive_sequence(), 45u);
  ASSERT_EQ(hello.attempts_size(), 2);
  EXPECT_EQ(hello.attempts(0).phase(), v1::ATTEMPT_PHASE_ACCEPTED);
  EXPECT_EQ(hello.attempts(1).phase(), v1::ATTEMPT_PHASE_STOPPING);
  EXPECT_EQ(hello.attempts(1).started().pid(), 77);
  EXPECT_THAT(Sequences(FactsSent(connected)), ElementsAre(92u, 93u));
  const auto launched = Only<Launch>(Handle(TaskNeverStarted{{2, 0, 0, 1}}));
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].start.payload().command(0), "true");
}

}  // namespace
}  // namespace berth::agentd
