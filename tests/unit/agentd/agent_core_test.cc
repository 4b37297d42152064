#include "agentd/agent_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agentd/journal/journal_file.h"
#include "tests/support/temp_dir.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// An agent's core with what a test needs around it: it numbers directives and events, and keeps
// what was noted, as the journal would.
class CoreTest : public ::testing::Test {
 protected:
  CoreTest() {
    core_.emplace(Options("inc-1"));
    Handle(Began{"boot-1"});
  }

  static AgentCore::Options Options(const std::string& fresh_incarnation) {
    AgentCore::Options options;
    options.node = "node-a";
    options.version = "0.1.0";
    options.isolation = "cgroup-v1";
    options.inventory.mutable_capacity()->set_cpu_milli(4000);
    options.fresh_incarnation = fresh_incarnation;
    return options;
  }

  std::vector<Effect> Handle(Event event) {
    std::vector<Effect> effects = core_->Handle(std::move(event), now_ms_);
    for (Effect& effect : core_->EndTurn()) effects.push_back(std::move(effect));
    for (const Effect& effect : effects) {
      if (const auto* note = std::get_if<Note>(&effect)) Keep(note->record);
      if (const auto* note = std::get_if<NoteLater>(&effect)) Keep(note->record);
    }
    return effects;
  }

  void Keep(const journal::v1::JournalRecord& record) {
    journal_.push_back(record.SerializeAsString());
  }

  // What comes up after kill -9: a core made from the journal alone.
  std::vector<Effect> Restart(const std::string& boot_id = "boot-1",
                              const shim::Lease& lease = {}) {
    core_.emplace(Options("inc-of-nobody"));
    for (const std::string& record : journal_) EXPECT_TRUE(core_->Replay(record).ok());
    return Handle(Began{boot_id, lease});
  }

  std::vector<Effect> Connect(uint64_t fact_sequence = 0) {
    std::vector<Effect> effects = Handle(LinkUp{++link_});
    for (Effect& effect : Welcome(fact_sequence)) effects.push_back(std::move(effect));
    return effects;
  }

  std::vector<Effect> Welcome(uint64_t fact_sequence = 0) {
    v1::DaemonMessage message;
    auto* welcome = message.mutable_welcome();
    welcome->set_cluster_id(cluster_);
    welcome->set_generation(generation_);
    welcome->set_term(term_);
    welcome->set_session(++session_);
    welcome->set_heartbeat_interval_ms(10'000);
    welcome->set_lease_ms(kLeaseMs);
    welcome->set_protocol(1);
    welcome->set_fact_sequence(fact_sequence);
    return Receive(message);
  }

  std::vector<Effect> Receive(const v1::DaemonMessage& message) {
    return Handle(MessageReceived{link_, message});
  }

  v1::DaemonMessage Batch() const {
    v1::DaemonMessage message;
    auto* header = message.mutable_directives()->mutable_header();
    header->set_cluster_id(cluster_);
    header->set_generation(generation_);
    header->set_term(term_);
    header->set_session(session_);
    header->set_incarnation(core_->incarnation());
    return message;
  }

  static v1::StartTask Start(const AttemptKey& key) {
    v1::StartTask start;
    *start.mutable_key() = ToProto(key);
    start.set_task_id(std::to_string(key.job_id) + "." + std::to_string(key.index));
    start.mutable_payload()->add_command("true");
    start.set_grace_ms(5000);
    start.set_time_limit_ms(60'000);
    start.mutable_resources()->set_memory_bytes(64 << 20);
    return start;
  }

  v1::DaemonMessage StartDirective(const AttemptKey& key) {
    v1::DaemonMessage message = Batch();
    auto* directive = message.mutable_directives()->add_directives();
    directive->set_sequence(++sequence_);
    *directive->mutable_start() = Start(key);
    return message;
  }

  v1::DaemonMessage StopDirective(const AttemptKey& key,
                                  v1::AttemptEnd end = v1::ATTEMPT_END_CANCELLED) {
    v1::DaemonMessage message = Batch();
    auto* directive = message.mutable_directives()->add_directives();
    directive->set_sequence(++sequence_);
    *directive->mutable_stop()->mutable_key() = ToProto(key);
    directive->mutable_stop()->set_end(end);
    return message;
  }

  v1::DaemonMessage ForgetDirective(const AttemptKey& key) {
    v1::DaemonMessage message = Batch();
    auto* directive = message.mutable_directives()->add_directives();
    directive->set_sequence(++sequence_);
    *directive->mutable_forget()->mutable_key() = ToProto(key);
    return message;
  }

  static TaskStarted Started(const AttemptKey& key) {
    v1::AttemptStarted started;
    started.set_unix_ms(1000);
    started.set_pid(77);
    return {key, started};
  }

  static TaskEnded Ended(const AttemptKey& key, int exit_code) {
    TaskOutcome outcome;
    outcome.exit_code = exit_code;
    return {key, outcome};
  }

  // Brings `key` to where its process runs.
  void Run(const AttemptKey& key) {
    Receive(StartDirective(key));
    Handle(Started(key));
  }

  template <typename T>
  static std::vector<T> Only(const std::vector<Effect>& effects) {
    std::vector<T> found;
    for (const Effect& effect : effects) {
      if (const T* each = std::get_if<T>(&effect)) found.push_back(*each);
    }
    return found;
  }

  static std::vector<v1::Fact> FactsSent(const std::vector<Effect>& effects) {
    std::vector<v1::Fact> facts;
    for (const Send& send : Only<Send>(effects)) {
      for (const v1::Fact& fact : send.message.facts().facts()) facts.push_back(fact);
    }
    return facts;
  }

  static std::vector<uint64_t> Sequences(const std::vector<v1::Fact>& facts) {
    std::vector<uint64_t> sequences;
    for (const v1::Fact& fact : facts) sequences.push_back(fact.sequence());
    return sequences;
  }

  static v1::Hello HelloIn(const std::vector<Effect>& effects) {
    for (const Send& send : Only<Send>(effects)) {
      if (send.message.has_hello()) return send.message.hello();
    }
    ADD_FAILURE() << "no Hello";
    return {};
  }

  // Position of the first effect of a kind; the number of effects when there is none.
  template <typename T>
  static size_t Where(const std::vector<Effect>& effects) {
    for (size_t i = 0; i < effects.size(); ++i) {
      if (std::holds_alternative<T>(effects[i])) return i;
    }
    return effects.size();
  }

  // Sends the next heartbeat, which reads the boot time `sent_ms`; its sequence.
  uint64_t Beat(int64_t sent_ms) {
    now_ms_ = std::max(now_ms_, core_->deadline_ms().value());
    EXPECT_EQ(Only<SampleUsage>(Handle(DeadlinePassed{})).size(), 1u);
    UsageSampled sampled;
    sampled.boot_time_ms = sent_ms;
    const auto sent = Only<Send>(Handle(std::move(sampled)));
    EXPECT_EQ(sent.size(), 1u);
    return sent.at(0).message.heartbeat().sequence();
  }

  std::vector<Effect> Acknowledge(uint64_t sequence) {
    v1::DaemonMessage ack;
    ack.mutable_heartbeat_ack()->set_sequence(sequence);
    return Receive(ack);
  }

  static shim::Lease LeaseOf(const std::vector<Effect>& effects) {
    const auto renewed = Only<RenewLease>(effects);
    EXPECT_EQ(renewed.size(), 1u);
    return renewed.empty() ? shim::Lease{} : renewed[0].lease;
  }
  // What berthd's acknowledgement of a heartbeat does to the lease.
  std::vector<int64_t> DeadlinesAt(uint64_t sequence) { return Deadlines(Acknowledge(sequence)); }
  static std::vector<int64_t> Deadlines(const std::vector<Effect>& effects) {
    std::vector<int64_t> deadlines;
    for (const RenewLease& lease : Only<RenewLease>(effects)) {
      deadlines.push_back(lease.lease.until_ms);
    }
    return deadlines;
  }

  static constexpr int64_t kLeaseMs = 40'000;
  const AttemptKey key_{12, 0, 3, 1};
  std::string cluster_ = "cluster-1";
  uint32_t generation_ = 1;
  uint64_t term_ = 7;
  uint64_t session_ = 0;
  uint64_t sequence_ = 0;
  uint64_t link_ = 0;
  int64_t now_ms_ = 1000;
  std::vector<std::string> journal_;
  std::optional<AgentCore> core_;
};

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
  EXPECT_THAT(Sequences(FactsSent(Connect(3))), IsEmpty());
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
  const AttemptKey accepted{1, 0, 0, 1}, running{2, 0, 0, 1}, stopping{3, 0, 0, 1},
      ended{4, 0, 0, 1};
  Receive(StartDirective(accepted));
  Run(running);
  Run(stopping);
  Receive(StopDirective(stopping));
  Run(ended);
  Handle(Ended(ended, 2));
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

// ---- after kill -9 ----

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
  EXPECT_THAT(Handle(Started(key_)), IsEmpty());
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
  const AttemptKey accepted{1, 0, 0, 1}, running{2, 0, 0, 1}, stopping{3, 0, 0, 1},
      ended{4, 0, 0, 1};
  Receive(StartDirective(accepted));
  Run(running);
  Run(stopping);
  Receive(StopDirective(stopping));
  Run(ended);
  Handle(Ended(ended, 2));
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
  const auto launched = Only<Launch>(Handle(TaskNeverStarted{accepted}));
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].start.payload().command(0), "true");
  // A new fact goes on where the old ones ended.
  EXPECT_THAT(Sequences(FactsSent(Handle(Started(accepted)))), ElementsAre(9u));
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

// ---- heartbeats ----

TEST_F(CoreTest, BeatsAtOnceAndThenAtTheGivenInterval) {
  EXPECT_FALSE(core_->deadline_ms().has_value());
  Connect();
  EXPECT_EQ(core_->deadline_ms(), now_ms_);
  EXPECT_EQ(Only<SampleUsage>(Handle(DeadlinePassed{})).size(), 1u);
  EXPECT_EQ(core_->deadline_ms(), now_ms_ + 10'000);
  EXPECT_THAT(Only<SampleUsage>(Handle(DeadlinePassed{})), IsEmpty());
  UsageSampled sampled;
  sampled.node.set_memory_bytes(5);
  v1::Usage usage;
  usage.set_cpu_time_ms(9);
  sampled.attempts.emplace_back(key_, usage);
  sampled.boot_time_ms = 123;
  const auto sent = Only<Send>(Handle(std::move(sampled)));
  ASSERT_EQ(sent.size(), 1u);
  const v1::Heartbeat& heartbeat = sent[0].message.heartbeat();
  EXPECT_EQ(heartbeat.sequence(), 1u);
  EXPECT_EQ(heartbeat.usage().memory_bytes(), 5);
  EXPECT_EQ(heartbeat.attempts(0).usage().cpu_time_ms(), 9);
  EXPECT_EQ(heartbeat.boot_time_ms(), 123);
}

TEST_F(CoreTest, ConnectsAgainWhenBerthdNoLongerAnswers) {
  Connect();
  v1::DaemonMessage ack;
  ack.mutable_heartbeat_ack()->set_sequence(1);
  now_ms_ += 30'000;
  Receive(ack);
  now_ms_ += 40'000;
  EXPECT_THAT(Only<CloseLink>(Handle(DeadlinePassed{})), IsEmpty());
  now_ms_ += 10'000;
  const auto closed = Only<CloseLink>(Handle(DeadlinePassed{}));
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_FALSE(closed[0].slow_retry);
}

// ---- the lease ----

TEST_F(CoreTest, TheWelcomeRenewsTheLeaseFromWhenTheHelloWasSent) {
  const int64_t sent = now_ms_;
  EXPECT_THAT(Deadlines(Handle(LinkUp{++link_})), IsEmpty());
  now_ms_ += 7'000;
  EXPECT_THAT(Deadlines(Welcome()), ElementsAre(sent + kLeaseMs));
}

TEST_F(CoreTest, AnAcknowledgementRenewsTheLeaseFromWhenItsHeartbeatWasSent) {
  Connect();
  const uint64_t first = Beat(5'000);
  const uint64_t second = Beat(15'000);
  const uint64_t third = Beat(25'000);
  now_ms_ += 3'000;
  EXPECT_THAT(DeadlinesAt(first), ElementsAre(5'000 + kLeaseMs));
  // One for several.
  EXPECT_THAT(DeadlinesAt(third), ElementsAre(25'000 + kLeaseMs));
  EXPECT_THAT(DeadlinesAt(second), IsEmpty());
  EXPECT_THAT(DeadlinesAt(third), IsEmpty());
  EXPECT_THAT(DeadlinesAt(99), IsEmpty());
}

TEST_F(CoreTest, WhatAnEarlierSessionSentRenewsNothing) {
  Connect();
  const uint64_t sequence = Beat(5'000);
  Connect();
  EXPECT_THAT(DeadlinesAt(sequence), IsEmpty());
}

TEST_F(CoreTest, RemembersABoundedNumberOfHeartbeats) {
  Connect();
  const uint64_t first = Beat(1);
  uint64_t last = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    // Heard of something else meanwhile, or the connection would be given up.
    v1::DaemonMessage ack;
    ack.mutable_heartbeat_ack()->set_sequence(0);
    Receive(ack);
    last = Beat(100 + i);
  }
  EXPECT_THAT(DeadlinesAt(first), IsEmpty());
  EXPECT_THAT(DeadlinesAt(last), ElementsAre(100 + 999 + kLeaseMs));
}

TEST_F(CoreTest, ANewSessionHasItsLeaseBeforeAnythingIsLaunched) {
  std::vector<Effect> effects = Connect();
  for (Effect& effect : Receive(StartDirective(key_))) effects.push_back(std::move(effect));
  EXPECT_LT(Where<RenewLease>(effects), Where<Launch>(effects));
  EXPECT_LT(Where<Launch>(effects), effects.size());
}

TEST_F(CoreTest, ALeaseOfAnEarlierBootIsEndedBeforeAnythingElse) {
  Connect();
  Run(key_);
  EXPECT_THAT(Deadlines(Restart()), IsEmpty());
  const std::vector<Effect> effects = Restart("boot-2");
  EXPECT_THAT(Deadlines(effects), ElementsAre(0));
  EXPECT_LT(Where<RenewLease>(effects), Where<TidyAttempt>(effects));
  core_.emplace(Options("inc-2"));
  EXPECT_THAT(Deadlines(Handle(Began{"boot-1"})), ElementsAre(0));
}

TEST_F(CoreTest, ALeaseThatIsRenewedInTimeGoesOn) {
  now_ms_ = 50'000;
  EXPECT_EQ(LeaseOf(Connect()), (shim::Lease{50'000, 50'000 + kLeaseMs}));
  const uint64_t sequence = Beat(60'000);
  now_ms_ = 50'000 + kLeaseMs;
  EXPECT_EQ(LeaseOf(Acknowledge(sequence)), (shim::Lease{50'000, 60'000 + kLeaseMs}));
  // An agent that was restarted meanwhile, too.
  now_ms_ = 60'000 + kLeaseMs;
  Restart("boot-1", {50'000, 60'000 + kLeaseMs});
  EXPECT_EQ(LeaseOf(Connect()), (shim::Lease{50'000, now_ms_ + kLeaseMs}));
}

TEST_F(CoreTest, ALeaseThatHasEndedIsFollowedByAnother) {
  now_ms_ = 50'000;
  Connect();
  const uint64_t sequence = Beat(60'000);
  // Answered, but so late that shims have seen the lease end.
  now_ms_ = 50'000 + kLeaseMs + 1;
  EXPECT_EQ(LeaseOf(Acknowledge(sequence)), (shim::Lease{now_ms_, 60'000 + kLeaseMs}));
  Restart("boot-1", {50'000, now_ms_ - 1});
  EXPECT_EQ(LeaseOf(Connect()), (shim::Lease{now_ms_, now_ms_ + kLeaseMs}));
}

TEST_F(CoreTest, AnAttemptIsLaunchedUnderTheLeaseThatItWasAcceptedUnder) {
  now_ms_ = 50'000;
  Connect();
  now_ms_ += 2 * kLeaseMs;
  // What had come before the silence and is read only now.
  const auto launched = Only<Launch>(Receive(StartDirective(key_)));
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].lease_until_ms, 50'000 + kLeaseMs);
}

TEST_F(CoreTest, AFencedAttemptIsNotLaunchedByALaterAgent) {
  Connect();
  v1::DaemonMessage message = StartDirective(key_);
  message.mutable_directives()->mutable_directives(0)->mutable_start()->set_on_partition(
      v1::ON_PARTITION_KILL);
  EXPECT_EQ(Only<Launch>(Receive(message)).size(), 1u);
  Restart();
  Connect(1);
  const std::vector<Effect> effects = Handle(TaskNeverStarted{key_});
  EXPECT_THAT(Only<Launch>(effects), IsEmpty());
  const auto facts = FactsSent(effects);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_NODE_LOST);
}

TEST_F(CoreTest, ARefusedDaemonRenewsNothing) {
  Connect();
  cluster_ = "cluster-2";
  EXPECT_THAT(Deadlines(Connect()), IsEmpty());
}

TEST_F(CoreTest, ATaskThatEndedWithTheLeaseIsLost) {
  Connect();
  Run(key_);
  TaskOutcome outcome;
  outcome.cause = TaskOutcome::Cause::kLeaseEnded;
  outcome.exit_code = 0;
  auto facts = FactsSent(Handle(TaskEnded{key_, outcome}));
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_NODE_LOST);
  EXPECT_THAT(facts[0].ended().message(), HasSubstr("onPartition: kill"));

  const AttemptKey never{13, 0, 0, 1};
  Receive(StartDirective(never));
  facts = FactsSent(Handle(TaskLost{never, "not started", v1::REASON_CODE_NODE_LOST}));
  EXPECT_EQ(facts[0].ended().end(), v1::ATTEMPT_END_LOST);
  EXPECT_EQ(facts[0].ended().reason(), v1::REASON_CODE_NODE_LOST);
  EXPECT_EQ(facts[0].ended().message(), "not started");
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

}  // namespace
}  // namespace berth::agentd
