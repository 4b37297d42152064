// What agents report of attempts, and what becomes of the tasks.
#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/planted_fault.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

using state::AttemptEnd;
using state::JobRow;
using state::Principal;
using state::TaskRow;
using state::TaskState;

namespace {

constexpr int64_t kFirstBackoffMs = 1'000;
constexpr int64_t kLongestBackoffMs = 5 * 60 * int64_t{1000};
constexpr int kMostLosses = 10;
// A service that has run for so long is well again.
constexpr int64_t kWellAfterMs = 10 * 60 * int64_t{1000};

// The node's fault is mended, or the node cordoned, sooner than a task's own.
constexpr int64_t kLongestStartBackoffMs = 30 * int64_t{1000};

constexpr int kMostBackoffs = 20;

// 1 s, 2 s, 4 s, ... up to 5 min.
int64_t BackoffMs(int retries_used) {
  return std::min(kFirstBackoffMs << std::min(retries_used, kMostBackoffs), kLongestBackoffMs);
}

// What `berth run` exits with: the task's own code, 128 + n for a signal, 125 when it never ran.
int32_t ExitCodeOf(const state::AttemptRow& attempt) {
  if (attempt.exit_code >= 0) return attempt.exit_code;
  if (attempt.signal != 0) return 128 + attempt.signal;
  return 125;
}

// A failure of the task's own, which its retries are for. A time limit would only pass again.
bool MayRetry(AttemptEnd end) {
  return end == AttemptEnd::kExited || end == AttemptEnd::kOutOfMemory ||
         end == AttemptEnd::kCouldNotStart || end == AttemptEnd::kOutOfStorage ||
         end == AttemptEnd::kUnhealthy;
}

// It could not start for want of something that has nothing to do with the task. It may start
// elsewhere, or there later; it counts like an attempt that was lost with its node.
bool IsNoFaultOfTheTask(const state::AttemptFinish& finish) {
  return finish.end == AttemptEnd::kCouldNotStart &&
         (IsNodesFault(finish.reason) || finish.reason == Reason::kNoCpusToDedicate);
}

}  // namespace

std::optional<TaskKey> Turn::FindAttempt(const state::AgentAttempt& attempt) const {
  const auto key = state_->TaskOf(attempt);
  const TaskRow* row = key ? state_->FindRow(*key) : nullptr;
  if (row == nullptr || row->attempt.number != attempt.attempt) return std::nullopt;
  return key;
}

state::AgentAttempt Turn::NameOf(const JobRow& job, const TaskKey& key) const {
  return {.job = key.job,
          .group = key.group,
          .index = job.spec->groups[key.group].IndexAt(key.position),
          .attempt = job.groups[key.group].rows.at(key.position).attempt.number};
}

Reply Turn::Do(const Principal&, const state::AgentFacts& command) {
  const auto stream = streams_.find(command.stream);
  // The stream has ended meanwhile: the agent keeps what was not acknowledged and sends it again.
  if (stream == streams_.end()) return Answer({});
  const Slot slot = stream->second;
  Hear(slot);
  state::NodeLink& link = state_->Link(slot);
  for (const state::AgentFact& fact : command.facts) {
    if (fact.sequence <= link.fact_sequence) continue;
    link.fact_sequence = fact.sequence;
    state_->TouchLink(slot);
    const auto key = FindAttempt(fact.attempt);
    const bool is_here = key && state_->Row(*key).slot == slot;
    if (fact.ended) {
      if (is_here) AttemptFinished(*key, *fact.ended);
      EndStray(slot, fact.attempt);
      // Durable here with this turn, or of no interest any more: the agent may drop its record.
      Direct(slot, state::ForgetAttempt{TakeSequence(slot), fact.attempt});
    } else if (!is_here) {
      if (fact.started) state_->StartStray(slot, fact.attempt, *fact.started);
    } else if (fact.started) {
      AttemptStarted(*key, *fact.started);
    } else if (fact.ready) {
      SetReadiness(*key, *fact.ready);
    } else if (TaskRow& row = state_->Row(*key); row.state == TaskState::kBound) {
      state_->Move(*state_->FindJob(key->job), *key, TaskState::kStarting);
    }
  }
  if (BERTH_PLANTED(kAcknowledgeTooMuch)) ++link.fact_sequence;
  effects_.emplace_back(state::AckFacts{command.stream, link.fact_sequence});
  return Answer({});
}

void Turn::AttemptStarted(const TaskKey& key, const state::AttemptStart& start) {
  JobRow& job = *state_->FindJob(key.job);
  TaskRow& row = state_->Row(key);
  row.attempt.started_unix_ms = start.unix_ms;
  row.attempt.isolation = start.isolation;
  row.attempt.not_enforced = start.not_enforced;
  row.started_at_ms = std::max<int64_t>(now_ms_, 1);
  if (job.started_unix_ms == 0) {
    job.started_unix_ms = wall_ms_;
    state_->TouchJob(job.id, true);
  }
  if (row.state == TaskState::kBound || row.state == TaskState::kStarting) {
    state_->Move(job, key, TaskState::kRunning);
  } else {
    state_->TouchTask(key);
  }
}

void Turn::SetReadiness(const TaskKey& key, bool ready) {
  TaskRow& row = state_->Row(key);
  const auto says = ready ? state::Readiness::kReady : state::Readiness::kNotReady;
  if (!state::HoldsResources(row.state) || row.attempt.readiness == says) return;
  row.attempt.readiness = says;
  state_->TouchTask(key);
}

void Turn::AttemptFinished(const TaskKey& key, const state::AttemptFinish& finish,
                           int64_t not_before_ms) {
  JobRow& job = *state_->FindJob(key.job);
  TaskRow& row = state_->Row(key);
  if (!state::HoldsResources(row.state)) return;  // reported twice

  state::AttemptRow& attempt = row.attempt;
  attempt.end = finish.end;
  attempt.reason = finish.reason;
  if (!finish.message.empty()) attempt.message = finish.message;
  attempt.exit_code = finish.exit_code;
  attempt.signal = finish.signal;
  attempt.usage.cpu_time_ms = std::max(attempt.usage.cpu_time_ms, finish.usage.cpu_time_ms);
  attempt.usage.memory_peak_bytes =
      std::max(attempt.usage.memory_peak_bytes, finish.usage.memory_peak_bytes);
  attempt.usage.io_read_bytes = std::max(attempt.usage.io_read_bytes, finish.usage.io_read_bytes);
  attempt.usage.io_written_bytes =
      std::max(attempt.usage.io_written_bytes, finish.usage.io_written_bytes);
  attempt.readiness = state::Readiness::kUnknown;
  attempt.usage.memory_bytes = 0;
  attempt.usage.scratch_bytes = 0;
  attempt.usage.device_memory_bytes = 0;
  attempt.usage.device_utilisation_percent = 0;
  if (finish.started_unix_ms != 0) attempt.started_unix_ms = finish.started_unix_ms;
  attempt.ended_unix_ms = finish.ended_unix_ms != 0 ? finish.ended_unix_ms : wall_ms_;
  state_->AddHistory({.job = job.id,
                      .spec = job.spec,
                      .user = job.submitted_by,
                      .group = key.group,
                      .position = key.position,
                      .attempt = attempt,
                      .submitted_unix_ms = job.submitted_unix_ms});

  if (finish.end == AttemptEnd::kCouldNotStart) {
    start_failures_.Note(
        row.slot, {.ns = job.spec->ns,
                   .task = state::TaskIdText(job.id.value, *job.spec, key.group, key.position),
                   .reason = finish.reason,
                   .message = finish.message,
                   .unix_ms = attempt.ended_unix_ms,
                   .of_node = IsNodesFault(finish.reason)});
  }
  const bool unwanted = row.wish == AttemptEnd::kCancelled && !BERTH_PLANTED(kForgetCancel);
  const Slot slot = row.slot;
  state_->LetGo(job, key);
  JudgeNode(slot, job, finish);
  const state::GroupSpec& group = job.spec->groups[key.group];
  const bool succeeded = finish.end == AttemptEnd::kExited && finish.exit_code == 0;
  if (succeeded && (!group.service || group.ends_on_success)) {
    ++counters_.succeeded;
    state_->Move(job, key, TaskState::kSucceeded);
  } else if (unwanted || finish.end == AttemptEnd::kCancelled) {
    ++counters_.cancelled;
    attempt.reason = Reason::kCancelledByUser;
    state_->Move(job, key, TaskState::kCancelled);
  } else if (finish.end == AttemptEnd::kLost && row.losses < kMostLosses) {
    ++row.losses;
    Requeue(job, key, not_before_ms > now_ms_ ? not_before_ms : 0);
  } else if (finish.end == AttemptEnd::kPreempted || finish.end == AttemptEnd::kDrained) {
    Requeue(job, key, 0);
  } else if (group.service) {
    if (row.started_at_ms != 0 && now_ms_ - row.started_at_ms >= kWellAfterMs) row.retries_used = 0;
    GrowMemory(job, key, finish.end);
    Requeue(job, key, now_ms_ + BackoffMs(row.retries_used));
    if (row.retries_used < kMostBackoffs) ++row.retries_used;
  } else if (IsNoFaultOfTheTask(finish) && row.losses < kMostLosses) {
    Requeue(job, key, now_ms_ + std::min(BackoffMs(row.losses++), kLongestStartBackoffMs));
  } else if (GrowMemory(job, key, finish.end)) {
    Requeue(job, key, now_ms_ + kFirstBackoffMs);
  } else if (MayRetry(finish.end) && row.retries_used < group.retries) {
    Requeue(job, key, now_ms_ + BackoffMs(row.retries_used++));
  } else {
    ++counters_.failed;
    job.exit_code = std::max(job.exit_code, ExitCodeOf(attempt));
    state_->TouchJob(job.id, true);
    state_->Move(job, key, TaskState::kFailed);
  }
  FinishJobIfDone(job);
}

bool Turn::GrowMemory(JobRow& job, const TaskKey& key, AttemptEnd end) {
  const state::GroupSpec& group = job.spec->groups[key.group];
  if (end != AttemptEnd::kOutOfMemory || group.memory_factor_percent == 0) return false;
  const TaskRow& row = state_->Row(key);
  const int64_t had = row.memory_mib != 0 ? row.memory_mib : group.needs->requests.builtin[kMemory];
  if (had >= group.memory_limit_mib) return false;
  // Up, so that it grows however little it was.
  const int64_t wants = (had * group.memory_factor_percent + 99) / 100;
  return state_->SetMemory(job, key,
                           static_cast<int32_t>(std::min<int64_t>(wants, group.memory_limit_mib)));
}

void Turn::Requeue(JobRow& job, const TaskKey& key, int64_t not_before_ms) {
  state_->Move(job, key, TaskState::kQueued);
  TaskRow& row = state_->Row(key);
  row.wish = AttemptEnd::kNone;
  row.not_before_ms = not_before_ms;
  if (not_before_ms != 0) {
    backing_off_.emplace(not_before_ms, key);
  } else {
    if (!BERTH_PLANTED(kForgetLost)) state_->SyncQueued(key);
  }
  SyncQueue(job, key.group);
}

void Turn::FinishJobIfDone(JobRow& job) {
  if (job.ended()) return;
  int64_t ended = 0;
  for (const TaskState state : {TaskState::kSucceeded, TaskState::kFailed, TaskState::kCancelled}) {
    ended += job.counts[static_cast<size_t>(state)];
  }
  if (ended != job.spec->task_count()) return;
  job.ended_at_ms = std::max<int64_t>(now_ms_, 1);
  job.ended_unix_ms = wall_ms_;
  finished_.emplace(job.ended_at_ms, job.id);
  state_->TouchJob(job.id, true);
  state_->LeaveTerms(job);
  SyncTerms();
}

Reply Turn::Do(const Principal&, state::AgentHeartbeat& command) {
  const auto stream = streams_.find(command.stream);
  if (stream == streams_.end()) return Answer({});
  ++counters_.heartbeats;
  Hear(stream->second);
  state::NodeLink& link = state_->Link(stream->second);
  link.usage = command.node;
  link.parts.Update(std::move(command.parts));
  usage_meters_.Measure(state_->nodes(), stream->second, now_ms_, command.node.cpu_time_ms,
                        command.node.memory_bytes, link.parts);
  if (!step_usage_at_ms_) step_usage_at_ms_ = now_ms_ + options_.heartbeat_interval_ms;
  TakeLatencies(stream->second, command.latencies);
  link.clock_skew_ms = command.clock_skew_ms;
  for (const auto& [attempt, usage] : command.attempts) {
    const auto key = FindAttempt(attempt);
    if (!key || state_->Row(*key).slot != stream->second) continue;
    state::Usage& known = state_->Row(*key).attempt.usage;
    known.cpu_time_ms = usage.cpu_time_ms;
    known.memory_bytes = usage.memory_bytes;
    known.io_read_bytes = usage.io_read_bytes;
    known.io_written_bytes = usage.io_written_bytes;
    known.scratch_bytes = usage.scratch_bytes;
    known.device_memory_bytes = usage.device_memory_bytes;
    known.device_utilisation_percent = usage.device_utilisation_percent;
    known.memory_peak_bytes = std::max(known.memory_peak_bytes, usage.memory_peak_bytes);
  }
  effects_.emplace_back(state::AckHeartbeat{command.stream, command.sequence});
  return Answer({});
}

}  // namespace berth::scheduler
