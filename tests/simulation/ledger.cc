#include "tests/simulation/ledger.h"

#include <algorithm>
#include <array>
#include <variant>

namespace berth::simulation {
namespace {

using state::AgentAttempt;
using state::TaskState;

// Whether some walk along the lifecycle leads from one state to the other.
bool Reaches(TaskState from, TaskState to) {
  static const auto table = [] {
    std::array<std::array<bool, state::kTaskStates>, state::kTaskStates> reach{};
    const auto each = [](auto f) {
      for (int i = 1; i < state::kTaskStates; ++i) f(i);
    };
    each([&](int i) {
      reach[i][i] = true;
      each([&](int j) {
        if (state::MayMove(static_cast<TaskState>(i), static_cast<TaskState>(j))) {
          reach[i][j] = true;
        }
      });
    });
    each([&](int k) {
      each([&](int i) {
        each([&](int j) { reach[i][j] = reach[i][j] || (reach[i][k] && reach[k][j]); });
      });
    });
    return reach;
  }();
  return table[static_cast<size_t>(from)][static_cast<size_t>(to)];
}

}  // namespace

std::string Text(const AgentAttempt& attempt) {
  return std::to_string(attempt.job.value) + "." + std::to_string(attempt.group) + "." +
         std::to_string(attempt.index) + "#" + std::to_string(attempt.attempt);
}

Ledger::TaskName Ledger::TaskOf(AgentAttempt attempt) {
  attempt.attempt = 0;
  return attempt;
}

// ---- what is real ----

void Ledger::AddNode(const std::string& node, int64_t cpu_milli, int64_t memory_mib) {
  nodes_[node] = {cpu_milli, memory_mib, 0, 0};
}

void Ledger::Started(const std::string& node, const AgentAttempt& attempt, const Needs& needs) {
  if (context_.traces()) context_.Trace(node + ": process of " + Text(attempt) + " starts");
  if (!processes_.try_emplace(attempt, Process{node, needs, true, 0, 0}).second) {
    context_.Violated("attempt " + Text(attempt) + " is started twice, on " + node + " and on " +
                      processes_[attempt].node);
    return;
  }
  if (closed_.contains(attempt)) {
    context_.Violated("attempt " + Text(attempt) + " starts after its end was made durable");
  }
  auto& others = live_attempts_[TaskOf(attempt)];
  for (const uint32_t other : others) {
    AgentAttempt name = attempt;
    name.attempt = other;
    if (needs.fenced || processes_[name].needs.fenced) {
      context_.Violated("attempt " + Text(attempt) + " starts while " + Text(name) +
                        " still runs, which on_partition: kill excludes");
    }
    context_.coverage.Count("seen", "two attempts of a task at once (on_partition: keep)");
  }
  others.insert(attempt.attempt);
  live_.insert(attempt);
  NodeBook& book = nodes_[node];
  book.cpu_used += needs.cpu_milli;
  book.memory_used += needs.memory_mib;
  CheckNode(node);
}

void Ledger::CheckNode(const std::string& node) {
  const NodeBook& book = nodes_[node];
  if (book.cpu_used <= book.cpu_milli && book.memory_used <= book.memory_mib) return;
  std::string who;
  for (const AgentAttempt& attempt : live_) {
    if (processes_[attempt].node == node) who += " " + Text(attempt);
  }
  context_.Violated("node " + node + " is oversubscribed: " + std::to_string(book.cpu_used) +
                    " of " + std::to_string(book.cpu_milli) + " milli-CPU, " +
                    std::to_string(book.memory_used) + " of " + std::to_string(book.memory_mib) +
                    " MiB, by" + who);
}

void Ledger::Ended(const AgentAttempt& attempt, int exit_code, int signal) {
  if (live_.erase(attempt) == 0) return;
  if (context_.traces()) {
    context_.Trace(
        "process of " + Text(attempt) + " ends: " +
        (signal != 0 ? "signal " + std::to_string(signal) : "exit " + std::to_string(exit_code)));
  }
  Process& process = processes_[attempt];
  process.live = false;
  process.exit_code = exit_code;
  process.signal = signal;
  auto& attempts = live_attempts_[TaskOf(attempt)];
  attempts.erase(attempt.attempt);
  if (attempts.empty()) live_attempts_.erase(TaskOf(attempt));
  NodeBook& book = nodes_[process.node];
  book.cpu_used -= process.needs.cpu_milli;
  book.memory_used -= process.needs.memory_mib;
}

// ---- what is durable ----

void Ledger::Released(const state::ChangeBatch& batch) {
  for (const state::Change& change : batch.changes) {
    if (const auto* job = std::get_if<state::JobChange>(&change)) {
      if (removed_.contains(job->job.id)) {
        context_.Violated("job " + std::to_string(job->job.id.value) + " comes back");
      }
      DurableJob& known = jobs_[job->job.id];
      if (known.ended && job->job.ended_at_ms == 0) {
        context_.Violated("job " + std::to_string(job->job.id.value) + " had ended and has not");
      }
      known.spec = job->job.spec;
      known.ended = job->job.ended_at_ms != 0;
      int64_t sum = 0;
      for (const int64_t count : job->job.counts) sum += count;
      if (sum != known.spec->task_count()) {
        context_.Violated("job " + std::to_string(job->job.id.value) + " has " +
                          std::to_string(sum) + " tasks of " +
                          std::to_string(known.spec->task_count()));
      }
    } else if (const auto* task = std::get_if<state::TaskChange>(&change)) {
      DurableJob& known = jobs_[task->task.job];
      known.spec = task->task.spec;
      if (task->task.waits_for == Reason::kAttemptNotEnded) {
        context_.coverage.Count("seen", "a task waits for an attempt of it to end");
      }
      SeeTask(task->task.job, known, task->task.group, task->task.position, task->task.row);
    } else if (const auto* removal = std::get_if<state::JobRemoval>(&change)) {
      const auto known = jobs_.find(removal->job);
      if (known == jobs_.end() || !known->second.ended) {
        context_.Violated("job " + std::to_string(removal->job.value) + " is removed unended");
      }
      jobs_.erase(removal->job);
      removed_.insert(removal->job);
      ever_removed_.insert(removal->job);
      context_.coverage.Count("seen", "a finished job is forgotten");
      if (context_.traces()) {
        context_.Trace("epoch " + std::to_string(batch.epoch) + ": job " +
                       std::to_string(removal->job.value) + " is removed");
      }
    }
  }
}

void Ledger::SeeTask(JobId id, DurableJob& job, uint32_t group, uint32_t position,
                     const state::TaskRow& row) {
  DurableTask& known = job.tasks[{group, position}];
  const AgentAttempt attempt{id, group, job.spec->groups[group].IndexAt(position),
                             row.attempt.number};
  if (row.attempt.number < known.attempt) {
    context_.Violated("task of " + Text(attempt) + ": its attempt was " +
                      std::to_string(known.attempt) + " before");
  }
  if (!Reaches(known.state, row.state)) {
    context_.Violated("task of " + Text(attempt) + " was " + std::string(ToString(known.state)) +
                      " and is " + std::string(ToString(row.state)));
  }
  if (known.state != row.state && state::MayMove(known.state, row.state)) {
    context_.coverage.Count(
        "move", std::string(ToString(known.state)) + " -> " + std::string(ToString(row.state)));
  }
  if (job.cancelled && row.attempt.number > known.attempt) {
    context_.Violated("attempt " + Text(attempt) + " is made after its job was cancelled");
  }
  if (row.memory_mib < known.memory_mib) {
    context_.Violated("task of " + Text(attempt) + ": its memory was " +
                      std::to_string(known.memory_mib) + " MiB, and is " +
                      std::to_string(row.memory_mib));
  }
  if (row.memory_mib > known.memory_mib) {
    context_.coverage.Count("seen", "a task gets more memory");
    if (row.memory_mib > job.spec->groups[group].memory_limit_mib) {
      context_.Violated("task of " + Text(attempt) + " gets more memory than its most");
    }
  }
  known.memory_mib = row.memory_mib;
  known.state = row.state;
  known.attempt = row.attempt.number;
  if (row.attempt.number == 0) return;
  known_.insert(attempt);
  for (const state::AttemptRow& past : row.past) {
    AgentAttempt name = attempt;
    name.attempt = past.number;
    known_.insert(name);
  }
  if (row.attempt.end != state::AttemptEnd::kNone) SeeEnd(attempt, row);
}

void Ledger::SeeEnd(const AgentAttempt& attempt, const state::TaskRow& row) {
  context_.coverage.Count("end", std::to_string(static_cast<int>(row.attempt.end)));
  const auto process = processes_.find(attempt);
  if (row.attempt.end == state::AttemptEnd::kLost) return;
  closed_.insert(attempt);
  if (process != processes_.end() && process->second.live) {
    context_.Violated("attempt " + Text(attempt) + " has ended durably while it runs on " +
                      process->second.node);
    return;
  }
  if (row.state != TaskState::kSucceeded && row.attempt.end != state::AttemptEnd::kExited) return;
  if (process == processes_.end()) {
    context_.Violated("attempt " + Text(attempt) + " has exited durably and never ran");
    return;
  }
  const bool agrees =
      process->second.signal == row.attempt.signal &&
      (row.attempt.signal != 0 || process->second.exit_code == row.attempt.exit_code);
  if (!agrees) {
    context_.Violated("attempt " + Text(attempt) + " really ended with exit " +
                      std::to_string(process->second.exit_code) + ", signal " +
                      std::to_string(process->second.signal) + "; durably with exit " +
                      std::to_string(row.attempt.exit_code) + ", signal " +
                      std::to_string(row.attempt.signal));
  }
}

void Ledger::Recovered(const state::ClusterState& cluster, bool restored) {
  if (restored) {
    jobs_.clear();
    known_.clear();
    removed_.clear();
    closed_.clear();
    requests_.clear();
    request_of_.clear();
  }
  for (const auto& [id, known] : jobs_) {
    // What was committed and not released yet is there too, and may be further on.
    if (cluster.FindJob(id) == nullptr && !known.ended) {
      context_.Violated("job " + std::to_string(id.value) + " is gone after a recovery");
    }
  }
  std::erase_if(jobs_, [&](const auto& each) {
    if (cluster.FindJob(each.first) != nullptr) return false;
    removed_.insert(each.first);
    ever_removed_.insert(each.first);
    return true;
  });
  for (const auto& [id, job] : cluster.jobs()) {
    if (removed_.contains(id)) {
      context_.Violated("job " + std::to_string(id.value) + " comes back with a recovery");
    }
    DurableJob& known = jobs_[id];
    known.spec = job->spec;
    known.ended = job->ended();
    for (uint32_t g = 0; g < job->groups.size(); ++g) {
      for (const auto& [position, row] : job->groups[g].rows) SeeTask(id, known, g, position, row);
    }
    for (const auto& [where, task] : known.tasks) {
      if (!job->groups[where.first].rows.contains(where.second)) {
        context_.Violated("job " + std::to_string(id.value) + ": a task's row is gone");
      }
    }
  }
  CheckState(cluster);
}

void Ledger::CheckState(const state::ClusterState& cluster) {
  const state::NodeTable& nodes = cluster.nodes();
  for (const auto& [name, slot] : nodes.by_name()) {
    int64_t cpu = 0;
    int64_t memory = 0;
    for (const TaskKey& key : cluster.TasksOn(slot)) {
      const auto& requests =
          cluster.FindJob(key.job)->spec->groups[key.group].needs->requests.builtin;
      cpu += requests[kCpu];
      const int32_t own = cluster.FindRow(key)->memory_mib;
      memory += own != 0 ? own : requests[kMemory];
    }
    if (cpu > nodes.allocated(kCpu)[slot] || memory > nodes.allocated(kMemory)[slot]) {
      context_.Violated("node " + name + ": its tasks hold more than is allocated");
    }
    if (nodes.allocated(kCpu)[slot] > nodes.capacity(kCpu)[slot] ||
        nodes.allocated(kMemory)[slot] > nodes.capacity(kMemory)[slot]) {
      context_.Violated("node " + name + ": more is allocated than it has");
    }
  }
}

void Ledger::CheckFenced(const AgentAttempt& attempt) {
  if (!live_.contains(attempt)) return;
  context_.Violated("attempt " + Text(attempt) + " is given up while it runs on " +
                    processes_[attempt].node + ", which on_partition: kill excludes");
}

void Ledger::CheckBinding(const AgentAttempt& attempt,
                          const std::function<bool(const std::string& node)>& is_heard) {
  const auto live = live_attempts_.find(TaskOf(attempt));
  if (live == live_attempts_.end()) return;
  for (const uint32_t number : live->second) {
    AgentAttempt other = attempt;
    other.attempt = number;
    if (number == attempt.attempt || !is_heard(processes_[other].node)) continue;
    context_.Violated("attempt " + Text(attempt) + " is given a node while " + Text(other) +
                      " runs on " + processes_[other].node + ", which is heard from");
  }
}

void Ledger::StopSent(const AgentAttempt& attempt) {
  if (!known_.contains(attempt) && !kills_asked_.contains(attempt)) {
    context_.Violated("attempt " + Text(attempt) + ", which is not known here, is told to stop");
  }
}

// ---- what clients were told ----

void Ledger::Acknowledged(const std::string& request_id, JobId job, int64_t tasks) {
  const auto [request, is_new] = requests_.try_emplace(request_id, job);
  if (request->second != job) {
    context_.Violated("request " + request_id + " made job " +
                      std::to_string(request->second.value) + " and job " +
                      std::to_string(job.value));
  }
  if (!is_new) return;
  const auto [owner, is_unique] = request_of_.try_emplace(job, request_id);
  if (!is_unique) {
    context_.Violated("job " + std::to_string(job.value) + " was made by request " + owner->second +
                      " and by " + request_id);
  }
  const auto known = jobs_.find(job);
  if (known == jobs_.end()) {
    if (!ever_removed_.contains(job)) {
      context_.Violated("job " + std::to_string(job.value) +
                        " was acknowledged and is not durable");
    }
  } else if (known->second.spec->task_count() != tasks) {
    context_.Violated("job " + std::to_string(job.value) + " was acknowledged with " +
                      std::to_string(tasks) + " tasks");
  }
}

void Ledger::CancelAcknowledged(JobId job) {
  if (const auto known = jobs_.find(job); known != jobs_.end()) known->second.cancelled = true;
}

// ---- the end ----

bool Ledger::KnowsItsPeers(const state::ClusterState& cluster, Slot slot) {
  const size_t others = cluster.nodes().by_name().size() - 1;
  return cluster.nodes().latencies().From(slot).size() == std::min<size_t>(others, 2);
}

void Ledger::CheckEnd(const state::ClusterState& cluster) {
  for (const AgentAttempt& attempt : live_) {
    context_.Violated("attempt " + Text(attempt) + " still runs at the end");
  }
  for (const auto& [id, job] : cluster.jobs()) {
    if (job->ended()) continue;
    std::string states;
    for (const auto& group : job->groups) {
      for (const auto& [position, row] : group.rows) {
        states += " " + std::string(ToString(row.state)) + "#" + std::to_string(row.attempt.number);
      }
    }
    context_.Violated("job " + std::to_string(id.value) + " has not ended:" + states);
  }
  for (const auto& [request, job] : requests_) {
    if (cluster.FindJob(job) == nullptr && !ever_removed_.contains(job)) {
      context_.Violated("job " + std::to_string(job.value) + " of request " + request +
                        " was acknowledged and is forgotten");
    }
  }
  const state::NodeTable& nodes = cluster.nodes();
  for (const auto& [name, slot] : nodes.by_name()) {
    if (nodes.allocated(kCpu)[slot] != 0 || nodes.task_count(slot) != 0) {
      context_.Violated("node " + name + " still holds something at the end");
    }
    if (!nodes.ready().Test(slot)) context_.Violated("node " + name + " is not ready at the end");
  }
}

void Ledger::CheckPeers(const state::ClusterState& cluster) {
  for (const auto& [name, slot] : cluster.nodes().by_name()) {
    if (KnowsItsPeers(cluster, slot)) continue;
    std::string known;
    for (const auto& [peer, round_trip_us] : cluster.nodes().latencies().From(slot)) {
      known += " " + cluster.nodes().name(peer);
    }
    context_.Violated("node " + name + " has at the end measured the way to" + known);
  }
}

}  // namespace berth::simulation
