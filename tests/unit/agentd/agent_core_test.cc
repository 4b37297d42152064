#include "agentd/agent_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/agentd/core_harness.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- the session ----

TEST_F(CoreTest, SaysHelloWithWhoItIsWhenALinkComesUp) {
  const v1::Hello hello = HelloIn(Handle(LinkUp{1}));
  EXPECT_EQ(hello.node(), "node-a");
  EXPECT_EQ(hello.incarnation(), "inc-1");
  EXPECT_EQ(hello.cluster_id(), "");
  EXPECT_EQ(hello.version(), "0.1.0");
  EXPECT_EQ(hello.protocol_min(), 1u);
  EXPECT_EQ(hello.inventory().capacity().cpu_milli(), 4000);
  EXPECT_EQ(hello.inventory().isolation(), "cgroup-v1");
  EXPECT_EQ(hello.attempts_size(), 0);
}

TEST_F(CoreTest, JoinsTheClusterThatWelcomesItAndKeepsTo) {
  const std::vector<Effect> effects = Connect();
  const auto notes = Only<Note>(effects);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].record.joined().cluster_id(), "cluster-1");
  EXPECT_EQ(notes[0].record.joined().term(), 7u);
  Restart();
  EXPECT_EQ(HelloIn(Handle(LinkUp{2})).cluster_id(), "cluster-1");
}

TEST_F(CoreTest, RefusesADaemonOfAnotherCluster) {
  Connect();
  cluster_ = "cluster-2";
  const std::vector<Effect> effects = Connect();
  const auto closed = Only<CloseLink>(effects);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_TRUE(closed[0].slow_retry);
  EXPECT_THAT(closed[0].reason, HasSubstr("cluster \"cluster-2\""));
  EXPECT_THAT(Only<Note>(effects), IsEmpty());
  EXPECT_EQ(core_->cluster_id(), "cluster-1");
}

TEST_F(CoreTest, RefusesADaemonOfAnOlderGenerationAlsoAfterARestart) {
  generation_ = 3;
  Connect();
  Restart();
  generation_ = 2;
  term_ = 99;
  const auto closed = Only<CloseLink>(Connect());
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_TRUE(closed[0].slow_retry);
}

TEST_F(CoreTest, RefusesADaemonOfAnOlderTerm) {
  Connect();
  Restart();
  term_ = 6;
  EXPECT_EQ(Only<CloseLink>(Connect()).size(), 1u);
}

TEST_F(CoreTest, GoesOnWithANewerTermAndCountsDirectivesOn) {
  Connect();
  Receive(StartDirective(key_));
  term_ = 8;
  const std::vector<Effect> effects = Connect();
  EXPECT_THAT(Only<CloseLink>(effects), IsEmpty());
  EXPECT_EQ(HelloIn(effects).directive_sequence(), 1u);
}

// A daemon that was restored from an older snapshot numbers on from there; what the agent has had
// under those numbers it must not start again.
TEST_F(CoreTest, CountsDirectivesOnInANewGeneration) {
  Connect();
  sequence_ = 40;
  Receive(StartDirective(key_));
  generation_ = 2;
  EXPECT_EQ(HelloIn(Connect()).directive_sequence(), 41u);
  sequence_ = 3;
  const AttemptKey other{13, 0, 0, 1};
  EXPECT_THAT(Only<Launch>(Receive(StartDirective(other))), IsEmpty());
  sequence_ = 41;
  EXPECT_EQ(Only<Launch>(Receive(StartDirective(other))).size(), 1u);
  Restart();
  const v1::Hello hello = HelloIn(Handle(LinkUp{9}));
  EXPECT_EQ(hello.generation(), 2u);
  EXPECT_EQ(hello.directive_sequence(), 42u);
}

TEST_F(CoreTest, RefusesAProtocolItDoesNotSpeak) {
  Handle(LinkUp{++link_});
  v1::DaemonMessage message;
  message.mutable_welcome()->set_cluster_id("c");
  message.mutable_welcome()->set_heartbeat_interval_ms(1000);
  message.mutable_welcome()->set_protocol(2);
  const auto closed = Only<CloseLink>(Receive(message));
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_TRUE(closed[0].slow_retry);
}

TEST_F(CoreTest, ClosesALinkThatSpeaksBeforeItsWelcome) {
  Handle(LinkUp{++link_});
  v1::DaemonMessage message;
  message.mutable_fact_ack()->set_sequence(1);
  EXPECT_EQ(Only<CloseLink>(Receive(message)).size(), 1u);
  // And hears nothing more from it.
  EXPECT_THAT(Welcome(), IsEmpty());
}

TEST_F(CoreTest, IgnoresWhatAnEarlierLinkStillSays) {
  Connect();
  const v1::DaemonMessage late = StartDirective(key_);
  const uint64_t old_link = link_;
  Connect();
  EXPECT_THAT(Handle(MessageReceived{old_link, late}), IsEmpty());
  EXPECT_FALSE(core_->Knows(key_));
}

// ---- starting ----

TEST_F(CoreTest, NotesAnAttemptBeforeItIsLaunched) {
  Connect();
  const std::vector<Effect> effects = Receive(StartDirective(key_));
  const auto launched = Only<Launch>(effects);
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].key, key_);
  EXPECT_EQ(launched[0].start.payload().command(0), "true");
  EXPECT_LT(Where<Note>(effects), Where<Launch>(effects));
  const auto facts = FactsSent(effects);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_TRUE(facts[0].has_accepted());
  EXPECT_EQ(facts[0].sequence(), 1u);
}

TEST_F(CoreTest, IgnoresADirectiveThatComesTwice) {
  Connect();
  const v1::DaemonMessage message = StartDirective(key_);
  Receive(message);
  EXPECT_THAT(Receive(message), IsEmpty());
}

TEST_F(CoreTest, NeverStartsAnAttemptTwiceWhateverTheSequence) {
  Connect();
  Receive(StartDirective(key_));
  const std::vector<Effect> effects = Receive(StartDirective(key_));
  EXPECT_THAT(Only<Launch>(effects), IsEmpty());
  // Yet the directive counts as seen.
  Restart();
  EXPECT_EQ(HelloIn(Handle(LinkUp{9})).directive_sequence(), 2u);
}

TEST_F(CoreTest, StartsTheNextAttemptOfTheSameTask) {
  Connect();
  Receive(StartDirective(key_));
  AttemptKey second = key_;
  second.attempt = 2;
  EXPECT_EQ(Only<Launch>(Receive(StartDirective(second))).size(), 1u);
}

struct WrongHeader {
  const char* name;
  void (*spoil)(v1::DirectiveHeader& header);
};

class CoreHeaderTest : public CoreTest, public ::testing::WithParamInterface<WrongHeader> {};

TEST_P(CoreHeaderTest, ObeysNoDirectiveOfAnotherHeader) {
  Connect();
  v1::DaemonMessage message = StartDirective(key_);
  GetParam().spoil(*message.mutable_directives()->mutable_header());
  const std::vector<Effect> effects = Receive(message);
  EXPECT_THAT(Only<Launch>(effects), IsEmpty());
  EXPECT_THAT(Only<Note>(effects), IsEmpty());
  const auto closed = Only<CloseLink>(effects);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_FALSE(closed[0].slow_retry);
  // The sequence was not used up: the directive is obeyed in the next session.
  sequence_ = 0;
  Connect();
  EXPECT_EQ(Only<Launch>(Receive(StartDirective(key_))).size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, CoreHeaderTest,
    ::testing::Values(
        WrongHeader{"Cluster", [](v1::DirectiveHeader& h) { h.set_cluster_id("another"); }},
        WrongHeader{"Generation", [](v1::DirectiveHeader& h) { h.set_generation(2); }},
        WrongHeader{"Term", [](v1::DirectiveHeader& h) { h.set_term(6); }},
        WrongHeader{"Session", [](v1::DirectiveHeader& h) { h.set_session(99); }},
        WrongHeader{"Incarnation", [](v1::DirectiveHeader& h) { h.set_incarnation("inc-0"); }},
        WrongHeader{"None", [](v1::DirectiveHeader& h) { h.Clear(); }}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(CoreTest, RefusesNewTasksWhileTheJournalsDiskIsFull) {
  Connect();
  Handle(JournalSpace{true});
  const std::vector<Effect> effects = Receive(StartDirective(key_));
  EXPECT_THAT(Only<Launch>(effects), IsEmpty());
  const auto facts = FactsSent(effects);
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[1].ended().end(), v1::ATTEMPT_END_COULD_NOT_START);
  EXPECT_EQ(facts[1].ended().reason(), v1::REASON_CODE_AGENT_JOURNAL_FULL);
  Handle(JournalSpace{false});
  EXPECT_EQ(Only<Launch>(Receive(StartDirective({13, 0, 0, 1}))).size(), 1u);
}

// ---- what becomes of it ----

TEST_F(CoreTest, TellsOfTheStartAndTheEnd) {
  Connect();
  Receive(StartDirective(key_));
  const auto started = FactsSent(Handle(Started(key_)));
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].started().pid(), 77);
  EXPECT_EQ(started[0].started().isolation(), "cgroup-v1");
  const std::vector<Effect> effects = Handle(Ended(key_, 3));
  const auto ended = FactsSent(effects);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].sequence(), 3u);
  EXPECT_EQ(ended[0].ended().end(), v1::ATTEMPT_END_EXITED);
  EXPECT_EQ(ended[0].ended().reason(), v1::REASON_CODE_EXITED);
  EXPECT_EQ(ended[0].ended().exit_code(), 3);
  EXPECT_FALSE(ended[0].ended().has_signal());
  // The fact is noted before it is sent, and before what only served the attempt is removed.
  EXPECT_LT(Where<Note>(effects), Where<Send>(effects));
  EXPECT_LT(Where<Note>(effects), Where<TidyAttempt>(effects));
}

TEST_F(CoreTest, TellsOfAnEndOnlyOnce) {
  Connect();
  Run(key_);
  Handle(Ended(key_, 0));
  EXPECT_THAT(Handle(Ended(key_, 0)), IsEmpty());
  EXPECT_THAT(Handle(Started(key_)), IsEmpty());
}

TEST_F(CoreTest, NamesTheReasonWhenAProcessCouldNotBeStarted) {
  Connect();
  Receive(StartDirective(key_));
  const auto facts =
      FactsSent(Handle(TaskNotStarted{key_, v1::REASON_CODE_PROGRAM_NOT_FOUND, "no \"x\""}));
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_COULD_NOT_START);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_PROGRAM_NOT_FOUND);
  EXPECT_EQ(facts[0].ended().message(), "no \"x\"");
}

TEST_F(CoreTest, TellsMemoryFromSignalAndTimeLimit) {
  Connect();
  TaskOutcome outcome;
  outcome.signal = 9;
  outcome.out_of_memory = true;
  Run(key_);
  auto facts = FactsSent(Handle(TaskEnded{key_, outcome}));
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_OUT_OF_MEMORY);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_OUT_OF_MEMORY);
  EXPECT_THAT(facts[0].ended().message(), HasSubstr("64Mi"));
  EXPECT_EQ(facts[0].ended().signal(), 9);

  const AttemptKey plain{20, 0, 0, 1};
  outcome.out_of_memory = false;
  Run(plain);
  facts = FactsSent(Handle(TaskEnded{plain, outcome}));
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_EXITED);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_KILLED_BY_SIGNAL);
  EXPECT_EQ(facts[0].ended().message(), "killed by SIGKILL");

  const AttemptKey limited{21, 0, 0, 1};
  outcome.signal = 15;
  outcome.cause = TaskOutcome::Cause::kTimeLimit;
  Run(limited);
  facts = FactsSent(Handle(TaskEnded{limited, outcome}));
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_TIMED_OUT);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_TIME_LIMIT_REACHED);
  EXPECT_EQ(facts[0].ended().message(), "reached its time limit of 1m");
}

TEST_F(CoreTest, ATaskThatSurvivedAnOutOfMemoryKillOfAChildHasSucceeded) {
  Connect();
  Run(key_);
  TaskOutcome outcome;
  outcome.out_of_memory = true;
  EXPECT_EQ(FactsSent(Handle(TaskEnded{key_, outcome}))[0].ended().end(), v1::ATTEMPT_END_EXITED);
}

// ---- stopping ----

TEST_F(CoreTest, StopsWithTheAttemptsGraceAndTheGivenEnd) {
  Connect();
  Run(key_);
  const std::vector<Effect> effects = Receive(StopDirective(key_, v1::ATTEMPT_END_PREEMPTED));
  const auto stops = Only<StopAttempt>(effects);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].grace_ms, 5000);
  EXPECT_LT(Where<Note>(effects), Where<StopAttempt>(effects));
  TaskOutcome outcome;
  outcome.cause = TaskOutcome::Cause::kStopped;
  outcome.signal = 15;
  const auto facts = FactsSent(Handle(TaskEnded{key_, outcome}));
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_PREEMPTED);
}

TEST_F(CoreTest, AStopMayBringItsOwnGrace) {
  Connect();
  Run(key_);
  v1::DaemonMessage message = StopDirective(key_);
  message.mutable_directives()->mutable_directives(0)->mutable_stop()->set_grace_ms(0);
  EXPECT_EQ(Only<StopAttempt>(Receive(message))[0].grace_ms, 0);
}

TEST_F(CoreTest, ATaskThatEndedByItselfBeforeItsStopWasNotStopped) {
  Connect();
  Run(key_);
  Receive(StopDirective(key_));
  EXPECT_EQ(FactsSent(Handle(Ended(key_, 0)))[0].ended().end(), v1::ATTEMPT_END_EXITED);
}

TEST_F(CoreTest, AnswersAStopOfAnUnknownAttemptWithAFact) {
  Connect();
  const std::vector<Effect> effects = Receive(StopDirective(key_));
  EXPECT_THAT(Only<StopAttempt>(effects), IsEmpty());
  const auto facts = FactsSent(effects);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_ATTEMPT_UNKNOWN_TO_NODE);
  // Also after a restart: the answer is journalled.
  Restart();
  EXPECT_THAT(Sequences(FactsSent(Connect())), ElementsAre(1u));
}

TEST_F(CoreTest, AStopOfWhatHasEndedAddsNothing) {
  Connect();
  Run(key_);
  Handle(Ended(key_, 0));
  EXPECT_THAT(FactsSent(Receive(StopDirective(key_))), IsEmpty());
}

// ---- what the node itself decides ----

TaskCondemned Condemned(const AttemptKey& key) {
  return {key, v1::ATTEMPT_END_OUT_OF_STORAGE, v1::REASON_CODE_OUT_OF_STORAGE, "too much", true};
}

TEST_F(CoreTest, WhatTheNodeCondemnsIsStoppedAndToldWithItsReasonAlsoAfterARestart) {
  Connect();
  Run(key_);
  const std::vector<Effect> effects = Handle(Condemned(key_));
  const auto stops = Only<StopAttempt>(effects);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].grace_ms, 0);
  EXPECT_LT(Where<Note>(effects), Where<StopAttempt>(effects));
  Restart();
  Connect();
  TaskOutcome outcome;
  outcome.cause = TaskOutcome::Cause::kStopped;
  outcome.signal = 9;
  const auto facts = FactsSent(Handle(TaskEnded{key_, outcome}));
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_OUT_OF_STORAGE);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_OUT_OF_STORAGE);
  EXPECT_EQ(facts[0].ended().message(), "too much");
}

TEST_F(CoreTest, WhatIsOnItsWayOutKeepsItsReasonAndMayHaveToGoSooner) {
  Connect();
  EXPECT_THAT(Only<StopAttempt>(Handle(Condemned(key_))), IsEmpty());  // not known
  Run(key_);
  Receive(StopDirective(key_, v1::ATTEMPT_END_PREEMPTED));
  TaskCondemned with_grace = Condemned(key_);
  with_grace.at_once = false;
  EXPECT_THAT(Only<StopAttempt>(Handle(with_grace)), IsEmpty());
  const auto stops = Only<StopAttempt>(Handle(Condemned(key_)));
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].grace_ms, 0);
  EXPECT_THAT(Only<StopAttempt>(Handle(Condemned(key_))), IsEmpty());  // again
  TaskOutcome outcome;
  outcome.cause = TaskOutcome::Cause::kStopped;
  outcome.signal = 15;
  EXPECT_EQ(FactsSent(Handle(TaskEnded{key_, outcome}))[0].ended().end(),
            v1::ATTEMPT_END_PREEMPTED);
  EXPECT_THAT(Only<StopAttempt>(Handle(Condemned(key_))), IsEmpty());  // over
}

TEST_F(CoreTest, TellsOfReadinessWhileItRuns) {
  Connect();
  EXPECT_THAT(FactsSent(Handle(TaskReadiness{key_, true})), IsEmpty());
  Run(key_);
  for (const bool ready : {true, false}) {
    const auto facts = FactsSent(Handle(TaskReadiness{key_, ready}));
    ASSERT_EQ(facts.size(), 1u);
    ASSERT_TRUE(facts[0].has_readiness());
    EXPECT_EQ(facts[0].readiness().ready(), ready);
  }
  // While berthd is away, what it says last is what will be told.
  Handle(LinkDown{link_});
  for (int i = 0; i < 100; ++i) Handle(TaskReadiness{key_, i % 2 == 1});
  int told = 0;
  for (const v1::Fact& fact : FactsSent(Connect(4))) {
    if (!fact.has_readiness()) continue;
    ++told;
    EXPECT_TRUE(fact.readiness().ready());
  }
  EXPECT_EQ(told, 1);
  Handle(Ended(key_, 0));
  EXPECT_THAT(FactsSent(Handle(TaskReadiness{key_, true})), IsEmpty());
}

TEST_F(CoreTest, UsesForceWhenAStopHasNoEffect) {
  Connect();
  Run(key_);
  Receive(StopDirective(key_));
  now_ms_ += 5000 + 14'999;
  EXPECT_THAT(Only<ForceKill>(Handle(DeadlinePassed{})), IsEmpty());
  now_ms_ += 1;
  EXPECT_EQ(Only<ForceKill>(Handle(DeadlinePassed{})).size(), 1u);
  EXPECT_THAT(Only<ForceKill>(Handle(DeadlinePassed{})), IsEmpty());
  now_ms_ += 15'000;
  EXPECT_EQ(Only<ForceKill>(Handle(DeadlinePassed{})).size(), 1u);
  Handle(Ended(key_, 0));
  now_ms_ += 60'000;
  EXPECT_THAT(Only<ForceKill>(Handle(DeadlinePassed{})), IsEmpty());
}

// ---- facts ----

TEST_F(CoreTest, KeepsFactsUntilBerthdHasThem) {
  Connect();
  Run(key_);
  Handle(Ended(key_, 0));
  EXPECT_THAT(Sequences(FactsSent(Connect())), ElementsAre(1u, 2u, 3u));
  v1::DaemonMessage ack;
  ack.mutable_fact_ack()->set_sequence(2);
  Receive(ack);
  EXPECT_THAT(Sequences(FactsSent(Connect())), ElementsAre(3u));
  EXPECT_THAT(Sequences(FactsSent(Connect(4))), IsEmpty());
}

TEST_F(CoreTest, GathersFactsWithoutALinkAndSendsThemInTheNextSession) {
  Connect();
  Receive(StartDirective(key_));
  Handle(LinkDown{link_});
  EXPECT_THAT(FactsSent(Handle(Started(key_))), IsEmpty());
  EXPECT_THAT(FactsSent(Handle(Ended(key_, 4))), IsEmpty());
  EXPECT_THAT(Sequences(FactsSent(Connect(1))), ElementsAre(2u, 3u));
}

TEST_F(CoreTest, SendsTheFactsOfOneTurnInOneMessage) {
  Connect();
  v1::DaemonMessage message = StartDirective({30, 0, 0, 1});
  *message.mutable_directives()->add_directives() =
      StartDirective({31, 0, 0, 1}).directives().directives(0);
  const std::vector<Effect> effects = Receive(message);
  EXPECT_EQ(Only<Send>(effects).size(), 1u);
  EXPECT_EQ(FactsSent(effects).size(), 2u);
}

TEST_F(CoreTest, CutsALongMessageBetweenCharactersBeforeItIsNoted) {
  Connect();
  Receive(StartDirective(key_));
  std::string message = "x";  // odd, so that 1024 falls into a character
  for (int i = 0; i < 50'000; ++i) message += "\u00e9";
  const std::vector<Effect> effects =
      Handle(TaskNotStarted{key_, v1::REASON_CODE_PROGRAM_NOT_FOUND, "\xff" + message});
  const auto notes = Only<Note>(effects);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].record.fact().ended().message(), "\uFFFD" + message.substr(0, 1021));
  Run({13, 0, 0, 1});
  const auto lost = FactsSent(Handle(TaskLost{{13, 0, 0, 1}, message}));
  EXPECT_EQ(lost[0].ended().message(), message.substr(0, 1023));
}

TEST_F(CoreTest, SaysNoMoreInOneMessageThanBerthdTakes) {
  Connect();
  constexpr uint32_t kAttempts = 8000;
  for (uint32_t i = 0; i < kAttempts; ++i) {
    Receive(StartDirective({7, 0, i, 1}));
    Handle(TaskNotStarted{{7, 0, i, 1}, v1::REASON_CODE_PROGRAM_NOT_FOUND, std::string(5000, 'm')});
  }
  const std::vector<Effect> effects = Connect();
  const v1::Hello hello = HelloIn(effects);
  ASSERT_EQ(hello.attempts_size(), static_cast<int>(kAttempts));
  for (const v1::AttemptReport& report : hello.attempts()) {
    EXPECT_EQ(report.phase(), v1::ATTEMPT_PHASE_ENDED);
  }
  for (const Send& send : Only<Send>(effects)) {
    EXPECT_LT(send.message.ByteSizeLong(), size_t{4} << 20);
  }
  // Every end comes, with all that there is to say of it.
  size_t ends = 0;
  for (const v1::Fact& fact : FactsSent(effects)) {
    if (fact.ended().message().size() == 1024) ++ends;
  }
  EXPECT_EQ(ends, kAttempts);
  // Those that berthd has are told of once more, in few words.
  v1::DaemonMessage ack;
  ack.mutable_fact_ack()->set_sequence(2 * kAttempts);
  Receive(ack);
  const v1::Hello again = HelloIn(Handle(LinkUp{++link_}));
  EXPECT_LT(again.ByteSizeLong(), size_t{4} << 20);
  for (const v1::AttemptReport& report : again.attempts()) {
    EXPECT_EQ(report.ended().reason(), v1::REASON_CODE_PROGRAM_NOT_FOUND);
  }
}

TEST_F(CoreTest, ReportsWhatItHasAtEachSession) {
  Connect();
  BringOneToEachPhase();
  const v1::Hello hello = HelloIn(Connect());
  ASSERT_EQ(hello.attempts_size(), 4);
  EXPECT_EQ(hello.attempts(0).phase(), v1::ATTEMPT_PHASE_ACCEPTED);
  EXPECT_EQ(hello.attempts(1).phase(), v1::ATTEMPT_PHASE_RUNNING);
  EXPECT_EQ(hello.attempts(1).started().pid(), 77);
  EXPECT_EQ(hello.attempts(2).phase(), v1::ATTEMPT_PHASE_STOPPING);
  EXPECT_EQ(hello.attempts(3).phase(), v1::ATTEMPT_PHASE_ENDED);
  EXPECT_EQ(hello.attempts(3).ended().exit_code(), 2);
  EXPECT_EQ(hello.directive_sequence(), 5u);
}

TEST_F(CoreTest, ForgetsAnEndedAttemptAndNoOther) {
  Connect();
  Run(key_);
  Receive(ForgetDirective(key_));
  EXPECT_TRUE(core_->Knows(key_));
  Handle(Ended(key_, 0));
  Receive(ForgetDirective(key_));
  EXPECT_FALSE(core_->Knows(key_));
  Restart();
  EXPECT_FALSE(core_->Knows(key_));
  EXPECT_EQ(HelloIn(Handle(LinkUp{9})).directive_sequence(), 3u);
}

TEST_F(CoreTest, OpensADataChannelWhenAsked) {
  Connect();
  v1::DaemonMessage message;
  message.mutable_open_data()->set_token("secret");
  const auto opened = Only<OpenDataChannel>(Receive(message));
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].request.token(), "secret");
}

TEST_F(CoreTest, TellsOfAChangedInventory) {
  Connect();
  v1::NodeInventory inventory;
  inventory.mutable_capacity()->set_cpu_milli(8000);
  const auto sent = Only<Send>(Handle(InventoryChanged{inventory}));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.inventory().capacity().cpu_milli(), 8000);
  EXPECT_EQ(sent[0].message.inventory().isolation(), "cgroup-v1");
}

TEST_F(CoreTest, TellsOfAnInventoryThatChangedAfterTheHello) {
  v1::NodeInventory inventory;
  inventory.mutable_capacity()->set_cpu_milli(8000);
  Handle(LinkUp{++link_});
  EXPECT_THAT(Only<Send>(Handle(InventoryChanged{inventory})), IsEmpty());
  const auto told = [&] {
    int count = 0;
    for (const Send& send : Only<Send>(Welcome())) count += send.message.has_inventory() ? 1 : 0;
    return count;
  };
  EXPECT_EQ(told(), 1);
  Handle(LinkDown{link_});
  Handle(LinkUp{++link_});  // its Hello has it
  EXPECT_EQ(told(), 0);
}

}  // namespace
}  // namespace berth::agentd
