// An agent's core with what its tests need around it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agentd/agent_core.h"

namespace berth::agentd {

// It numbers directives and events, and keeps what was noted, as the journal would.
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

  // An attempt in each phase, ended with exit code 2: kAccepted, kRunning, kStopping, kEnded.
  void BringOneToEachPhase() {
    Receive(StartDirective(kAccepted));
    Run(kRunning);
    Run(kStopping);
    Receive(StopDirective(kStopping));
    Run(kEnded);
    Handle(Ended(kEnded, 2));
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
  static constexpr AttemptKey kAccepted{1, 0, 0, 1};
  static constexpr AttemptKey kRunning{2, 0, 0, 1};
  static constexpr AttemptKey kStopping{3, 0, 0, 1};
  static constexpr AttemptKey kEnded{4, 0, 0, 1};
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

}  // namespace berth::agentd
