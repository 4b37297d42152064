// What really happened in a simulation, and whether it may have.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "scheduler/watch_hub.h"
#include "state/cluster_state.h"
#include "state/commands.h"
#include "tests/simulation/context.h"

namespace berth::simulation {

// "12.0.3#1".
std::string Text(const state::AgentAttempt& attempt);

// Keeps books beside the system under test: on processes as they are, on what was made durable, on
// what clients were told. Each entry is checked against the others, and Context::Violated says what
// does not agree.
class Ledger {
 public:
  explicit Ledger(Context& context) : context_(context) {}

  // ---- what is real: processes on nodes ----

  void AddNode(const std::string& node, int64_t cpu_milli, int64_t memory_mib);
  struct Needs {
    int64_t cpu_milli = 0;
    int64_t memory_mib = 0;
    bool fenced = false;  // on_partition: kill
  };
  void Started(const std::string& node, const state::AgentAttempt& attempt, const Needs& needs);
  void Ended(const state::AgentAttempt& attempt, int exit_code, int signal);
  size_t live() const { return live_.size(); }

  // ---- what is durable, as it is released ----

  void Released(const state::ChangeBatch& batch);
  // The state that a daemon begins with. `restored`: from an older snapshot; what came after that
  // is no promise any more.
  void Recovered(const state::ClusterState& cluster, bool restored);
  // The state after any turn.
  void CheckState(const state::ClusterState& cluster);
  // A fenced attempt is given up: it has ended.
  void CheckFenced(const state::AgentAttempt& attempt);
  // A new attempt gets a node. `is_heard`: whether what runs on a node is known and not given up.
  void CheckBinding(const state::AgentAttempt& attempt,
                    const std::function<bool(const std::string& node)>& is_heard);
  // An operator asks for this attempt to be killed, which is known to nobody else.
  void KillAsked(const state::AgentAttempt& attempt) { kills_asked_.insert(attempt); }
  // A directive to stop this attempt goes out.
  void StopSent(const state::AgentAttempt& attempt);

  // ---- what clients were told ----

  void Acknowledged(const std::string& request_id, JobId job, int64_t tasks);
  void CancelAcknowledged(JobId job);

  // ---- the end, some time after the last fault ----

  void CheckEnd(const state::ClusterState& cluster);
  void CheckPeers(const state::ClusterState& cluster);
  // A node has measured the way to its neighbours.
  static bool KnowsItsPeers(const state::ClusterState& cluster, Slot slot);

 private:
  using TaskName = state::AgentAttempt;  // with attempt 0

  struct Process {
    std::string node;
    Needs needs;
    bool live = false;
    int exit_code = 0;
    int signal = 0;
  };
  struct NodeBook {
    int64_t cpu_milli = 0;
    int64_t memory_mib = 0;
    int64_t cpu_used = 0;
    int64_t memory_used = 0;
  };
  struct DurableTask {
    state::TaskState state = state::TaskState::kQueued;
    uint32_t attempt = 0;
    int32_t memory_mib = 0;
  };
  struct DurableJob {
    std::shared_ptr<const state::JobSpec> spec;
    std::map<std::pair<uint32_t, uint32_t>, DurableTask> tasks;  // by group and position
    bool ended = false;
    bool cancelled = false;  // a client was told so
  };

  static TaskName TaskOf(state::AgentAttempt attempt);
  void SeeTask(JobId id, DurableJob& job, uint32_t group, uint32_t position,
               const state::TaskRow& row);
  void SeeEnd(const state::AgentAttempt& attempt, const state::TaskRow& row);
  void CheckNode(const std::string& node);

  Context& context_;
  std::map<std::string, NodeBook> nodes_;
  std::map<state::AgentAttempt, Process> processes_;  // every one that was ever started
  std::set<state::AgentAttempt> live_;
  std::map<TaskName, std::set<uint32_t>> live_attempts_;
  std::set<state::AgentAttempt> closed_;  // ended durably, and not as lost
  std::map<JobId, DurableJob> jobs_;
  std::set<state::AgentAttempt> known_;  // bound in this daemon's line of history
  std::set<state::AgentAttempt> kills_asked_;
  std::set<JobId> removed_;
  // Of all time: a snapshot may remember a request whose job it has forgotten.
  std::set<JobId> ever_removed_;
  std::map<std::string, JobId> requests_;
  std::map<JobId, std::string> request_of_;
};

}  // namespace berth::simulation
