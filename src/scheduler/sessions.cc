// Sessions of agents: who is connected, and what each side is told after a break.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/planted_fault.h"
#include "scheduler/turn.h"
#include "state/generation.h"

namespace berth::scheduler {

using state::AttemptEnd;
using state::JobRow;
using state::Principal;
using state::TaskRow;
using state::TaskState;

namespace {

constexpr size_t kMostJobsNamed = 3;

state::SessionHeader HeaderOf(const state::ClusterMeta& meta, const state::NodeLink& link) {
  return {.cluster_id = meta.cluster_id,
          .generation = meta.generation,
          .term = meta.term,
          .session = link.session,
          .incarnation = link.incarnation};
}

}  // namespace

Reply Turn::Do(const Principal& who, state::OpenSession& hello) {
  const std::string node = "node \"" + hello.node.name + "\"";
  const auto refuse = [&](Reason reason, std::string message) {
    effects_.emplace_back(state::RefuseAgent{hello.stream, reason, message});
    return Refuse(absl::FailedPreconditionError(message), reason);
  };
  const state::ClusterMeta& meta = state_->meta();
  if (!hello.cluster_id.empty() && hello.cluster_id != meta.cluster_id) {
    return refuse(Reason::kWrongCluster,
                  node + ": its agent belongs to cluster " + hello.cluster_id + ", this is " +
                      meta.cluster_id +
                      "; point it at its own cluster, or give it an empty state directory");
  }
  if (hello.generation > meta.generation) {
    return refuse(Reason::kOldGeneration,
                  node + ": its agent has followed restore generation " +
                      std::to_string(hello.generation) + ", this daemon is of " +
                      std::to_string(meta.generation) + ": it runs on outdated data");
  }
  const Slot known = state_->nodes().Find(hello.node.name);
  if (known != kNoSlot && hello.stream < state_->Link(known).last_stream &&
      !BERTH_PLANTED(kHearOvertaken)) {
    // A slow network may deliver what was said on a connection that was given up after what was
    // said on the next one.
    return refuse(Reason::kNone, node + ": a later connection of it has been heard");
  }
  if (known != kNoSlot) {
    const state::NodeLink& link = state_->Link(known);
    if (link.stream != 0 && link.incarnation != hello.incarnation) {
      return refuse(Reason::kNodeNameTaken,
                    node +
                        ": another agent of that name is connected; give this one a name of "
                        "its own (nodeName in agent.yaml)");
    }
  }
  auto put = state_->PutNode(hello.node, wall_ms_);
  if (!put.ok())
    return refuse(Reason::kInvalidField, node + ": " + std::string(put.status().message()));
  const Slot slot = *put;
  state::NodeLink& link = state_->Link(slot);
  if (link.stream != 0) {
    // The same agent has dialled again before the end of its old stream was seen.
    effects_.emplace_back(
        state::RefuseAgent{link.stream, Reason::kNone, node + ": a newer session took over"});
    EndStream(slot);
  }
  if (known == kNoSlot) start_failures_.Forget(slot);
  if (known == kNoSlot || link.incarnation != hello.incarnation) {
    Audit(who, "register_node", "node " + hello.node.name, "ok",
          "incarnation " + hello.incarnation);
  }
  link.peers.clear();  // a new session knows none
  if (!hello.node.address.empty()) NodesChanged();
  const bool knows_us = link.incarnation == hello.incarnation;
  if (!knows_us) {
    link.incarnation = hello.incarnation;
    link.next_sequence = 1;
    link.fact_sequence = 0;
  }
  link.stream = link.last_stream = hello.stream;
  link.session = next_session_++;
  state_->TouchLink(slot);
  streams_[hello.stream] = slot;

  effects_.emplace_back(state::WelcomeAgent{.stream = hello.stream,
                                            .header = HeaderOf(meta, link),
                                            .heartbeat_interval_ms = options_.heartbeat_interval_ms,
                                            .lease_ms = options_.lease_ms,
                                            .fact_sequence = link.fact_sequence});
  Reconcile(slot, hello, knows_us);
  if (settling_) settling_->silent.erase(slot);
  Hear(slot);
  return Answer({});
}

// After a break, both sides' knowledge is put together. What is on disk here wins over what the
// agent remembers; what the agent has wins over what was only said to it.
void Turn::Reconcile(Slot slot, const state::OpenSession& hello, bool knows_us) {
  state::NodeLink& link = state_->Link(slot);
  // Sequences go on across restores, so this is comparable with those of any row. A snapshot may be
  // older than what its agents have heard.
  const uint64_t heard = hello.directive_sequence;
  if (link.next_sequence <= heard) link.next_sequence = heard + 1;

  // The agent has not heard of this restore: of what was taken since then it has heard nothing.
  const bool is_behind = hello.generation != state_->meta().generation;

  std::map<state::AgentAttempt, const state::AttemptReport*> reports;
  for (const state::AttemptReport& report : hello.attempts) reports[report.attempt] = &report;

  const std::set<TaskKey> ours = state_->TasksOn(slot);
  // Sent again in order of sequence, under the numbers that they had.
  std::map<uint64_t, std::pair<TaskKey, bool>> again;  // sequence → (task, is a stop)
  for (const TaskKey& key : ours) {
    JobRow& job = *state_->FindJob(key.job);
    TaskRow& row = state_->Row(key);
    const auto found = reports.find(NameOf(job, key));
    if (found != reports.end()) {
      const state::AttemptReport& report = *found->second;
      if (report.started && row.attempt.started_unix_ms == 0) AttemptStarted(key, *report.started);
      Count(report.ended ? Reconciled::kEnded : Reconciled::kGoesOn);
      if (report.ended) {
        AttemptFinished(key, *report.ended);
      } else if (row.state == TaskState::kBound) {
        state_->Move(job, key, TaskState::kStarting);
      }
      if (!report.ended && row.state == TaskState::kStopping) {
        if (is_behind) {
          row.stop_sequence = TakeSequence(slot);
          state_->TouchTask(key);
        }
        if (row.stop_sequence > heard) again[row.stop_sequence] = {key, true};
      }
    } else if (knows_us && row.start_sequence > heard && row.state == TaskState::kStopping) {
      // It was never told to start, and will not be: a directive of an old session is refused.
      Count(Reconciled::kNeverTold);
      state::AttemptFinish finish;
      finish.end = AttemptEnd::kCancelled;
      finish.reason = Reason::kCancelledByUser;
      AttemptFinished(key, finish);
    } else if ((knows_us || BERTH_PLANTED(kResendLost)) && row.start_sequence > heard) {
      again[row.start_sequence] = {key, false};
    } else {
      // It was heard and is gone; or the agent has lost its journal, and may have started it: that
      // attempt is never sent again.
      Count(Reconciled::kLost);
      state::AttemptFinish finish;
      finish.end = AttemptEnd::kLost;
      finish.reason = Reason::kAttemptUnknownToNode;
      finish.message = "node " + hello.node.name + " was told to start it and has no trace of it";
      // Another journal may be another machine: the old one ends a fenced attempt by itself.
      const state::GroupSpec& group = job.spec->groups[key.group];
      const bool is_fenced = !knows_us && group.kill_on_partition;
      AttemptFinished(key, finish, is_fenced ? leases_.FencedBy(slot, group.grace_ms) : 0);
    }
  }
  for (const auto& [sequence, what] : again) {
    const auto& [key, is_stop] = what;
    const JobRow& job = *state_->FindJob(key.job);
    Count(is_stop ? Reconciled::kStopAgain : Reconciled::kStartAgain);
    is_stop ? SendStop(job, key) : SendStart(job, key);
  }

  ReconcileStrays(slot, hello);
}

void Turn::ReconcileStrays(Slot slot, const state::OpenSession& hello) {
  std::set<state::AgentAttempt> gone;
  for (const auto& [attempt, stray] : state_->StraysOn(slot)) gone.insert(attempt);
  for (const state::AttemptReport& report : hello.attempts) {
    if (!report.ended) gone.erase(report.attempt);
  }
  for (const state::AgentAttempt& attempt : gone) EndStray(slot, attempt);
  StopLettingGo(slot);

  int64_t unknown = 0;
  std::set<JobId> unknown_jobs;
  for (const state::AttemptReport& report : hello.attempts) {
    const auto key = FindAttempt(report.attempt);
    if (key && state_->Row(*key).slot == slot) continue;  // dealt with
    if (report.ended) {
      Count(Reconciled::kForgotten);
      Direct(slot, state::ForgetAttempt{TakeSequence(slot), report.attempt});
      continue;
    }
    if (!state_->StraysOn(slot).contains(report.attempt)) {
      state_->PutStray(slot, report, wall_ms_,
                       WasMadeHere(report.attempt) || BERTH_PLANTED(kKillUnknown));
    } else {
      state_->SetHoldsBack(slot, report.attempt, true);
      if (report.started) state_->StartStray(slot, report.attempt, *report.started);
    }
    if (const auto held_back = state_->StraysOn(slot).at(report.attempt).holds_back) {
      SyncTask(*held_back);
    }
    if (state_->StraysOn(slot).at(report.attempt).is_leaving) {
      // It has been given up: another took its place, or the task has ended. It must not go on
      // beside that.
      Count(Reconciled::kLeaving);
      Direct(slot, state::StopTask{TakeSequence(slot), report.attempt, AttemptEnd::kLost});
    } else {
      Count(Reconciled::kUnknown);
      ++unknown;  // nothing unknown is killed
      unknown_jobs.insert(report.attempt.job);
    }
  }
  if (unknown > 0) WarnOfUnknown(hello.node.name, unknown, unknown_jobs);
}

bool Turn::WasMadeHere(const state::AgentAttempt& attempt) const {
  const JobRow* job = state_->FindJob(attempt.job);
  // A job that is gone was forgotten after its end.
  if (job == nullptr) return state_->WasIssued(attempt.job);
  const auto key = state_->TaskOf(attempt);
  const TaskRow* row = key ? state_->FindRow(*key) : nullptr;
  if (row == nullptr) return false;
  // Of this generation, numbers are consecutive; of those before, the last ones are kept.
  const uint64_t first = state_->meta().generation * state::kAttemptsPerGeneration + 1;
  if (attempt.attempt >= first && attempt.attempt <= row->attempt.number) return true;
  return row->attempt.number == attempt.attempt ||
         std::any_of(row->past.begin(), row->past.end(),
                     [&](const state::AttemptRow& past) { return past.number == attempt.attempt; });
}

void Turn::WarnOfUnknown(const std::string& node, int64_t attempts, const std::set<JobId>& jobs) {
  counters_.attempts_unknown += static_cast<uint64_t>(attempts);
  std::string names;
  size_t named = 0;
  for (const JobId job : jobs) {
    if (named++ == kMostJobsNamed) break;
    names += (names.empty() ? " " : ", ") + std::to_string(job.value);
  }
  if (jobs.size() > kMostJobsNamed) names += " and more";
  warnings_.push_back(
      "node \"" + node + "\": its agent has " + std::to_string(attempts) +
      (attempts == 1 ? " attempt" : " attempts") + " not known here (of jobs" + names +
      "), in quarantine: nothing ends what is there unasked, and its room is held; 'berth admin "
      "reconcile --node " +
      node + "' lists, adopts and kills");
}

void Turn::EndStream(Slot slot) {
  state::NodeLink& link = state_->Link(slot);
  streams_.erase(link.stream);
  directives_of_.erase(link.stream);
  link.stream = 0;
  link.session = 0;
  state_->nodes().latencies().Forget(slot);
  if (!state_->nodes().spec_ptr(slot)->address.empty()) NodesChanged();
  SyncReady(slot);
}

Reply Turn::Do(const Principal&, const state::CloseSession& command) {
  const auto stream = streams_.find(command.stream);
  if (stream != streams_.end()) EndStream(stream->second);
  return Answer({});
}

Reply Turn::Do(const Principal&, state::InventoryChanged& command) {
  const auto stream = streams_.find(command.stream);
  if (stream == streams_.end()) return Answer({});
  const Slot slot = stream->second;
  Hear(slot);
  const state::NodeSpec& before = *state_->nodes().spec_ptr(slot);
  if (command.node.address != before.address || command.node.labels != before.labels) {
    NodesChanged();
  }
  if (command.node.name != state_->nodes().name(slot)) {
    effects_.emplace_back(state::RefuseAgent{
        command.stream, Reason::kInvalidField,
        "node \"" + state_->nodes().name(slot) + "\": a session cannot change its node's name"});
    EndStream(slot);
  } else if (auto put = state_->PutNode(command.node, wall_ms_); !put.ok()) {
    effects_.emplace_back(state::RefuseAgent{
        command.stream, Reason::kInvalidField,
        "node \"" + command.node.name + "\": " + std::string(put.status().message())});
    EndStream(slot);
  }
  return Answer({});
}

uint64_t Turn::TakeSequence(Slot slot) {
  state_->TouchLink(slot);
  return state_->Link(slot).next_sequence++;
}

void Turn::Direct(Slot slot, state::Directive directive) {
  const state::NodeLink& link = state_->Link(slot);
  if (link.stream == 0) return;  // the next session makes up for it
  const auto [it, is_new] = directives_of_.emplace(link.stream, effects_.size());
  if (is_new) {
    effects_.emplace_back(state::SendDirectives{link.stream, HeaderOf(state_->meta(), link), {}});
  }
  std::get<state::SendDirectives>(effects_[it->second]).directives.push_back(std::move(directive));
}

void Turn::SendStart(const JobRow& job, const TaskKey& key) {
  const TaskRow& row = state_->Row(key);
  const auto& devices = row.reservation.devices;
  const bool shared = devices.size() == 1 && devices[0].share_milli < 1000;
  Direct(row.slot, state::StartTask{.sequence = row.start_sequence,
                                    .attempt = NameOf(job, key),
                                    .job = job.id,
                                    .spec = job.spec,
                                    .group = key.group,
                                    .position = key.position,
                                    .run_as = job.run_as,
                                    .device_ids = row.attempt.device_ids,
                                    .device_share_milli = shared ? devices[0].share_milli : 0,
                                    .device_memory_mib = shared ? devices[0].memory_mib : 0,
                                    .memory_mib = row.attempt.memory_mib});
}

void Turn::SendStop(const JobRow& job, const TaskKey& key) {
  const TaskRow& row = state_->Row(key);
  Direct(row.slot, state::StopTask{row.stop_sequence, NameOf(job, key), row.wish});
}

}  // namespace berth::scheduler
