// The loop's state machine with a cluster that tests make up: no threads, no store, no time but
// what the test says.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/sha256.h"
#include "berth/plugin_registry.h"
#include "builtin.h"
#include "scheduler/turn.h"
#include "state/cluster_state.h"

namespace berth::scheduler {

inline state::Principal Operator() {
  state::Principal who;
  who.name = "uid:0";
  who.verified = true;
  who.is_operator = true;
  who.all_namespaces = true;
  return who;
}

inline state::Principal User(const std::string& name, std::vector<std::string> namespaces) {
  state::Principal who;
  who.name = name;
  who.verified = true;
  who.namespaces = std::move(namespaces);
  return who;
}

class TurnHarness {
 public:
  struct Job {
    uint32_t tasks = 1;
    int32_t cpu_milli = 1000;
    int32_t memory_mib = 1024;
    int32_t retries = 0;
    int32_t priority = 0;
    bool kill_on_partition = false;
    int64_t grace_ms = 30'000;
    bool service = false;
    bool ends_on_success = false;
    int32_t memory_factor_percent = 0;
    int32_t memory_limit_mib = 0;
    std::map<std::string, std::string> labels;
    std::vector<state::TermSpec> terms;
    std::map<std::string, int32_t> extended;
    std::string ns = "default";
    std::string request_id;
    std::string body_hash = "h";
  };

  explicit TurnHarness(const TurnOptions& options = {},
                       const state::ClusterMeta& meta = {.cluster_id = "cluster-a", .seed = 1}) {
    Begin(options, std::make_unique<state::ClusterState>(meta, options.watch_history_epochs));
  }
  // With plugins of a test, and the profile that names them.
  TurnHarness(const TurnOptions& options, const std::function<void(PluginRegistry&)>& add_plugins,
              const pipeline::ProfileOptions& profile) {
    add_plugins(registry_);
    Begin(
        options,
        std::make_unique<state::ClusterState>(
            state::ClusterMeta{.cluster_id = "cluster-a", .seed = 1}, options.watch_history_epochs),
        profile);
  }
  // On a state that was recovered.
  TurnHarness(const TurnOptions& options, std::unique_ptr<state::ClusterState> state) {
    Begin(options, std::move(state));
  }

  // Runs one turn with these commands and keeps what it put out.
  TurnOutput Run(std::vector<state::Command> commands = {}) {
    TurnInput input;
    input.now_ms = now_ms;
    input.wall_ms = 1'000'000 + now_ms;
    input.work_units = work_units;
    for (state::Command& command : commands) {
      command.token = ++token_;
      input.commands.push_back(std::move(command));
    }
    TurnOutput output = turn_->Run(std::move(input));
    for (auto& effect : output.agent_effects) effects.push_back(effect);
    for (auto& warning : output.warnings) warnings.push_back(warning);
    if (output.batch != nullptr) batches.push_back(output.batch);
    return output;
  }

  // Runs one turn with one command and returns its reply.
  Reply Ask(state::CommandBody body, const state::Principal& who = Operator()) {
    std::vector<state::Command> commands;
    commands.push_back({.principal = who, .token = 0, .body = std::move(body)});
    TurnOutput output = Run(std::move(commands));
    EXPECT_EQ(output.replies.size(), 1u);
    return std::move(output.replies.at(0).second);
  }

  template <typename Body>
  Body Get(state::CommandBody body, const state::Principal& who = Operator()) {
    Reply reply = Ask(std::move(body), who);
    EXPECT_TRUE(reply.status.ok()) << reply.status;
    Body* found = std::get_if<Body>(&reply.body);
    EXPECT_NE(found, nullptr);
    return found != nullptr ? std::move(*found) : Body{};
  }

  static std::shared_ptr<const state::JobSpec> SpecOf(const Job& job) {
    auto spec = std::make_shared<state::JobSpec>();
    spec->ns = job.ns;
    spec->name = "test";
    spec->queue = "default";
    spec->profile = "default";
    spec->priority = job.priority;
    spec->labels = job.labels;
    spec->blob = base::Sha256Of("blob");
    spec->groups.resize(1);
    spec->groups[0].ranges = {{0, job.tasks - 1, 1}};
    spec->groups[0].in_array = job.tasks > 1;
    spec->groups[0].retries = job.retries;
    spec->groups[0].kill_on_partition = job.kill_on_partition;
    spec->groups[0].grace_ms = job.grace_ms;
    spec->groups[0].service = job.service;
    spec->groups[0].ends_on_success = job.ends_on_success;
    spec->groups[0].memory_factor_percent = job.memory_factor_percent;
    spec->groups[0].memory_limit_mib = job.memory_limit_mib;
    spec->groups[0].needs.Edit().requests.builtin = {job.cpu_milli, job.memory_mib, 0, 0};
    spec->groups[0].needs.Edit().terms = job.terms;
    spec->groups[0].needs.Edit().requests.extended.assign(job.extended.begin(), job.extended.end());
    return spec;
  }

  Reply Submit(const Job& job, const state::Principal& who = Operator()) {
    state::SubmitJob submit;
    submit.spec = SpecOf(job);
    submit.blob = std::make_shared<const std::string>("content");
    submit.request_id = job.request_id;
    submit.body_hash = job.body_hash;
    return Ask(std::move(submit), who);
  }

  JobId SubmitOk(const Job& job) {
    const Reply reply = Submit(job);
    EXPECT_TRUE(reply.status.ok()) << reply.status;
    return std::get<SubmitReply>(reply.body).job;
  }

  static state::OpenSession Hello(const std::string& node, uint64_t stream,
                                  int32_t cpu_milli = 4000, int32_t memory_mib = 8192) {
    state::OpenSession hello;
    hello.stream = stream;
    hello.incarnation = "inc-" + node;
    hello.node.name = node;
    hello.node.capacity.builtin = {cpu_milli, memory_mib, 0, 0};
    hello.node.encoded_inventory = std::make_shared<const std::string>();
    return hello;
  }

  // Connects a node's agent; every directive it gets is in `effects`.
  uint64_t Connect(const std::string& node, int32_t cpu_milli = 4000, int32_t memory_mib = 8192) {
    const uint64_t stream = next_stream++;
    const Reply reply = Ask(Hello(node, stream, cpu_milli, memory_mib));
    EXPECT_TRUE(reply.status.ok()) << reply.status;
    return stream;
  }

  // A node's agent comes back after `before`, having journalled directives up to `heard`.
  uint64_t Reconnect(const std::string& node, uint64_t before, uint64_t heard,
                     std::vector<state::AttemptReport> attempts) {
    const uint64_t stream = next_stream++;
    state::OpenSession hello = Hello(node, stream);
    hello.cluster_id = "cluster-a";
    hello.directive_sequence = heard;
    hello.attempts = std::move(attempts);
    fact_sequence[stream] = fact_sequence[before];
    EXPECT_TRUE(Ask(hello).status.ok());
    return stream;
  }

  // Directives of one kind that were sent to a stream, in order, and takes them off `effects`.
  template <typename Kind>
  std::vector<Kind> TakeDirectives(uint64_t stream) {
    std::vector<Kind> found;
    for (state::AgentEffect& effect : effects) {
      auto* sent = std::get_if<state::SendDirectives>(&effect);
      if (sent == nullptr || sent->stream != stream) continue;
      std::erase_if(sent->directives, [&](const state::Directive& directive) {
        const Kind* kind = std::get_if<Kind>(&directive);
        if (kind != nullptr) found.push_back(*kind);
        return kind != nullptr;
      });
    }
    return found;
  }

  // One fact of a stream's agent, with the next sequence of that stream's node.
  void Report(uint64_t stream, const state::AgentAttempt& attempt,
              std::optional<state::AttemptStart> started,
              std::optional<state::AttemptFinish> ended) {
    state::AgentFact fact;
    fact.sequence = ++fact_sequence[stream];
    fact.attempt = attempt;
    fact.started = std::move(started);
    fact.ended = std::move(ended);
    Ask(state::AgentFacts{.stream = stream, .facts = {fact}});
  }
  void ReportAccepted(uint64_t stream, const state::AgentAttempt& attempt) {
    Report(stream, attempt, std::nullopt, std::nullopt);
  }
  void ReportStarted(uint64_t stream, const state::AgentAttempt& attempt) {
    Report(stream, attempt, state::AttemptStart{.unix_ms = 5, .isolation = "none"}, std::nullopt);
  }
  static state::AttemptFinish Exit(int32_t code) {
    state::AttemptFinish finish;
    finish.end = state::AttemptEnd::kExited;
    finish.reason = Reason::kExited;
    finish.exit_code = code;
    return finish;
  }
  void ReportOutOfMemory(uint64_t stream, const state::AgentAttempt& attempt) {
    state::AttemptFinish finish;
    finish.end = state::AttemptEnd::kOutOfMemory;
    finish.reason = Reason::kOutOfMemory;
    finish.signal = 9;
    Report(stream, attempt, std::nullopt, finish);
  }
  // The attempt that was sent to a stream last. REQUIRES: there is one.
  state::AgentAttempt TakeStart(uint64_t stream) {
    return TakeDirectives<state::StartTask>(stream).at(0).attempt;
  }
  // Lets time pass until a task that backs off may be placed again, with its agents heard from.
  // Returns how long that was.
  int64_t SitOut(JobId job, int64_t index = 0) {
    const int64_t began = now_ms;
    const int64_t until = TaskOf(job, index).row.not_before_ms;
    while (now_ms < until) {
      now_ms = std::min(now_ms + 10'000, until);
      for (uint64_t stream = 1; stream < next_stream; ++stream) {
        Ask(state::AgentHeartbeat{.stream = stream});
      }
    }
    return now_ms - began;
  }
  void ReportExit(uint64_t stream, const state::AgentAttempt& attempt, int32_t code) {
    Report(stream, attempt, std::nullopt, Exit(code));
  }

  state::TaskStatusView TaskOf(JobId job, int64_t index = 0) {
    return Get<TaskReply>(
               state::GetTask{{.job = job, .has_task = true, .group = "", .index = index}})
        .task;
  }
  state::TaskState StateOf(JobId job, int64_t index = 0) { return TaskOf(job, index).row.state; }
  state::JobView JobOf(JobId job) { return Get<JobReply>(state::GetJob{job}).job; }

  Turn& turn() { return *turn_; }

  int64_t now_ms = 1000;
  int64_t work_units = 1'000'000;
  uint64_t next_stream = 1;
  std::map<uint64_t, uint64_t> fact_sequence;
  std::vector<state::AgentEffect> effects;
  std::vector<std::string> warnings;
  std::vector<std::shared_ptr<const state::ChangeBatch>> batches;

 private:
  void Begin(const TurnOptions& options, std::unique_ptr<state::ClusterState> state,
             const pipeline::ProfileOptions& profile = {}) {
    plugins::RegisterBuiltinPlugins(registry_);
    state->BeginTerm();
    auto turn = Turn::Create(options, std::move(state), registry_, {profile});
    EXPECT_TRUE(turn.ok()) << turn.status();
    turn_ = *std::move(turn);
  }

  PluginRegistry registry_;
  std::unique_ptr<Turn> turn_;
  uint64_t token_ = 0;
};

}  // namespace berth::scheduler
