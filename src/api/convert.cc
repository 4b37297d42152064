#include "api/convert.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "state/job_state.h"
#include "wire/amounts.h"
#include "wire/needs.h"
#include "wire/node_usage.h"
#include "wire/values.h"

namespace berth::api {
namespace {

using state::TaskState;

int64_t Count(const state::TaskCounts& counts, TaskState state) {
  return counts[static_cast<size_t>(state)];
}

v1::TaskCounts ToProto(const state::TaskCounts& counts) {
  v1::TaskCounts out;
  out.set_total(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  out.set_held(Count(counts, TaskState::kHeld));
  out.set_queued(Count(counts, TaskState::kQueued));
  out.set_parked(Count(counts, TaskState::kParked));
  out.set_bound(Count(counts, TaskState::kBound) + Count(counts, TaskState::kNominated));
  out.set_starting(Count(counts, TaskState::kStarting));
  out.set_running(Count(counts, TaskState::kRunning) + Count(counts, TaskState::kSuspended));
  out.set_stopping(Count(counts, TaskState::kStopping));
  out.set_succeeded(Count(counts, TaskState::kSucceeded));
  out.set_failed(Count(counts, TaskState::kFailed));
  out.set_cancelled(Count(counts, TaskState::kCancelled));
  out.set_quarantined(Count(counts, TaskState::kQuarantined));
  return out;
}

v1::NodeScore ToProto(const pipeline::NodeScore& score) {
  v1::NodeScore out;
  out.set_node(score.node);
  out.set_total(score.total);
  out.set_rank(score.rank);
  for (const pipeline::PluginScore& plugin : score.plugins) {
    v1::PluginScore& to = *out.add_plugins();
    to.set_plugin(plugin.plugin);
    to.set_score(plugin.score);
    to.set_weight(plugin.weight);
  }
  return out;
}

v1::FilterOutcome ToProto(const pipeline::FilterOutcome& outcome) {
  v1::FilterOutcome out;
  out.set_plugin(outcome.plugin);
  out.set_reason(static_cast<v1::ReasonCode>(outcome.reason));
  out.set_nodes(outcome.nodes);
  out.set_subject(outcome.subject);
  out.set_requested(outcome.requested);
  out.set_largest_free(outcome.largest_free);
  out.set_largest_capacity(outcome.largest_capacity);
  for (const std::string& example : outcome.examples) out.add_examples(example);
  out.set_text(outcome.text);
  return out;
}

v1::Explanation ToProto(const pipeline::Explanation& from) {
  v1::Explanation out;
  out.set_placeability(static_cast<v1::Placeability>(from.placeability));
  out.set_nodes_total(from.nodes_total);
  out.set_nodes_feasible(from.nodes_feasible);
  for (const pipeline::FilterOutcome& filter : from.filters) *out.add_filters() = ToProto(filter);
  for (const pipeline::NodeScore& score : from.scores) *out.add_scores_now() = ToProto(score);
  for (const pipeline::ScoreNote& note : from.score_notes) {
    v1::ScoreNote& to = *out.add_score_notes();
    to.set_plugin(note.plugin);
    to.set_text(note.text);
  }
  for (const pipeline::Suggestion& suggestion : from.suggestions) {
    v1::Suggestion& to = *out.add_suggestions();
    to.set_field(suggestion.field);
    to.set_value(suggestion.value);
    to.set_node(suggestion.node);
    to.set_text(suggestion.text);
    to.set_kind(static_cast<v1::SuggestionKind>(suggestion.kind));
    for (const pipeline::Lack& lack : suggestion.lacks) {
      v1::Lack& missing = *to.add_lacks();
      missing.set_subject(lack.subject);
      missing.set_amount(lack.amount);
    }
  }
  out.set_text(from.text);
  out.set_reason(static_cast<v1::ReasonCode>(from.reason));
  return out;
}

}  // namespace

v1::JobSpec ToProto(const state::JobSpec& spec) {
  v1::JobSpec out;
  out.set_name(spec.name);
  out.set_namespace_(spec.ns);
  out.set_queue(spec.queue);
  out.set_profile(spec.profile);
  out.set_priority(spec.priority);
  out.mutable_labels()->insert(spec.labels.begin(), spec.labels.end());
  for (const state::GroupSpec& group : spec.groups) {
    v1::TaskGroup& to = *out.add_groups();
    to.set_name(group.name);
    if (group.in_array) {
      for (const state::IndexRange& range : group.ranges) {
        v1::IndexRange& indices = *to.mutable_array()->add_ranges();
        indices.set_first(range.first);
        indices.set_last(range.last);
        indices.set_step(range.step);
      }
    }
    to.set_retries(group.retries);
    to.set_on_partition(group.kill_on_partition ? v1::ON_PARTITION_KILL : v1::ON_PARTITION_KEEP);
    v1::TaskTemplate& task = *to.mutable_template_();
    wire::PutNeeds(*group.needs, task);
    task.set_time_limit_ms(group.time_limit_ms);
    task.set_grace_ms(group.grace_ms);
    task.set_max_processes(group.max_processes);
  }
  return out;
}

v1::Job ToProto(const state::JobView& job, SpecPart spec) {
  v1::Job out;
  out.set_id(std::to_string(job.id.value));
  if (spec == SpecPart::kIncluded) *out.mutable_spec() = ToProto(*job.spec);
  out.set_state(static_cast<v1::JobState>(
      state::JobStateOf(job.counts, job.started_unix_ms, job.ended_at_ms)));
  *out.mutable_tasks() = ToProto(job.counts);
  out.set_submitted_by(job.submitted_by);
  out.set_submitted_unix_ms(job.submitted_unix_ms);
  out.set_started_unix_ms(job.started_unix_ms);
  out.set_ended_unix_ms(job.ended_unix_ms);
  out.set_epoch(job.epoch);
  out.set_exit_code(job.exit_code);
  return out;
}

v1::Attempt ToProto(const state::TaskStatusView& task, const state::AttemptRow& attempt) {
  v1::Attempt out;
  out.set_id(
      state::TaskIdText(task.job.value, *task.spec, task.group, task.position, attempt.number));
  out.set_number(static_cast<int32_t>(attempt.number));
  out.set_node(attempt.node);
  out.set_end(static_cast<v1::AttemptEnd>(attempt.end));
  out.set_reason(static_cast<v1::ReasonCode>(attempt.reason));
  out.set_message(attempt.message);
  if (attempt.exit_code >= 0) out.set_exit_code(attempt.exit_code);
  if (attempt.signal != 0) out.set_signal(attempt.signal);
  *out.mutable_usage() = wire::ToProto(attempt.usage);
  out.set_bound_unix_ms(attempt.bound_unix_ms);
  out.set_started_unix_ms(attempt.started_unix_ms);
  out.set_ended_unix_ms(attempt.ended_unix_ms);
  out.set_isolation(attempt.isolation);
  for (const std::string& id : attempt.device_ids) out.add_device_ids(id);
  if (attempt.readiness != state::Readiness::kUnknown) {
    out.set_ready(attempt.readiness == state::Readiness::kReady);
  }
  for (const std::string& name : attempt.not_enforced) out.add_not_enforced(name);
  out.set_memory_bytes(int64_t{attempt.memory_mib} << 20);
  return out;
}

v1::Task ToProto(const state::TaskStatusView& task) {
  const state::GroupSpec& group = task.spec->groups[task.group];
  const state::AttemptRow& attempt = task.row.attempt;
  v1::Task out;
  out.set_id(state::TaskIdText(task.job.value, *task.spec, task.group, task.position));
  out.set_job_id(std::to_string(task.job.value));
  out.set_namespace_(task.spec->ns);
  out.set_group(group.name);
  out.set_index(group.IndexAt(task.position));
  out.set_state(static_cast<v1::TaskState>(task.row.state));
  if (task.waits_for != Reason::kNone) {
    out.set_reason(static_cast<v1::ReasonCode>(task.waits_for));
    out.set_message(task.wait_message);
  } else {
    out.set_reason(static_cast<v1::ReasonCode>(attempt.reason));
    out.set_message(attempt.message);
  }
  if (attempt.number != 0) *out.mutable_attempt() = ToProto(task, attempt);
  out.set_epoch(task.row.epoch);
  out.set_attempts(static_cast<int32_t>(task.row.attempts_before) + (attempt.number != 0 ? 1 : 0));
  out.set_job_name(task.spec->name);
  *out.mutable_resources() = wire::ToResources(group.needs->requests);
  if (task.row.memory_mib != 0) {
    out.mutable_resources()->set_memory_bytes(int64_t{task.row.memory_mib} << 20);
  }
  out.set_submitted_unix_ms(task.submitted_unix_ms);
  return out;
}

v1::Node ToProto(const state::NodeView& node) {
  const state::NodeSpec& spec = *node.spec;
  v1::Node out;
  out.set_name(spec.name);
  out.set_state(node.ready ? v1::NODE_STATE_READY : v1::NODE_STATE_NOT_READY);
  out.set_cordoned(node.cordoned);
  out.set_cordon_reason(node.cordon_reason);
  out.mutable_labels()->insert(spec.labels.begin(), spec.labels.end());
  for (const state::TaintSpec& taint : spec.taints) *out.add_taints() = wire::ToProto(taint);
  *out.mutable_capacity() = wire::ToResources(spec.capacity);
  *out.mutable_allocated() = wire::ToResources(node.allocated);
  *out.mutable_usage() = wire::ToProto(node.usage);
  *out.mutable_parts() = wire::ToProto(node.parts);
  for (const auto& [peer, round_trip_us] : node.latencies) {
    v1::PeerLatency& latency = *out.add_latencies();
    latency.set_node(peer);
    latency.set_round_trip_us(round_trip_us);
  }
  if (node.clock_skew_ms) out.set_clock_skew_ms(*node.clock_skew_ms);
  out.set_tasks(node.tasks);
  out.set_quarantined_attempts(node.quarantined);
  out.set_agent_version(spec.agent_version);
  out.set_isolation(spec.isolation);
  out.set_registered_unix_ms(node.registered_unix_ms);
  out.set_epoch(node.epoch);

  v1::NodeInventory inventory;
  if (spec.encoded_inventory == nullptr || !inventory.ParseFromString(*spec.encoded_inventory)) {
    return out;
  }
  for (int i = 0; i < inventory.devices_size(); ++i) {
    v1::DeviceStatus& device = *out.add_devices();
    device.mutable_device()->Swap(inventory.mutable_devices(i));
    if (static_cast<size_t>(i) < node.devices.size()) {
      const DeviceRow& row = node.devices[static_cast<size_t>(i)];
      device.set_allocated_milli(row.allocated_milli);
      device.set_allocated_memory_bytes(row.allocated_memory_mib * kMemoryQuantumBytes);
    }
  }
  out.mutable_data_sets()->Swap(inventory.mutable_data_sets());
  out.mutable_models()->Swap(inventory.mutable_models());
  if (inventory.has_hardware()) out.mutable_hardware()->Swap(inventory.mutable_hardware());
  return out;
}

v1::ReconcileResult ToProto(const scheduler::SettleReply::Result& result, const std::string& id) {
  v1::ReconcileResult out;
  out.set_id(id);
  out.set_reason(static_cast<v1::ReasonCode>(result.reason));
  out.set_message(result.message);
  if (!result.stray) return out;
  const state::StrayView& stray = *result.stray;
  const state::AttemptHolding& holding = stray.holding;
  const std::string attempt_id = state::StrayIdText(stray.attempt, holding);
  out.set_id(attempt_id);
  v1::QuarantinedAttempt& attempt = *out.mutable_attempt();
  attempt.set_node(stray.node);
  attempt.set_job_id(std::to_string(stray.attempt.job.value));
  attempt.set_task_id(attempt_id.substr(0, attempt_id.rfind('#')));
  attempt.set_attempt(stray.attempt.attempt);
  attempt.set_job_name(holding.job_name);
  attempt.set_namespace_(holding.ns);
  *attempt.mutable_resources() = wire::ToResources(holding.requests);
  attempt.mutable_device_ids()->Assign(holding.device_ids.begin(), holding.device_ids.end());
  attempt.set_device_share_milli(holding.device_share_milli);
  attempt.set_started_unix_ms(stray.started_unix_ms);
  attempt.set_quarantined_unix_ms(stray.since_unix_ms);
  attempt.set_job_known(stray.job_known);
  return out;
}

v1::Decision ToProto(const state::Decision& decision, const std::string& node) {
  v1::Decision out;
  out.set_epoch(decision.epoch);
  v1::NodeScore& winner = *out.mutable_winner();
  winner.set_node(node);
  winner.set_total(decision.total);
  winner.set_rank(decision.rank);
  if (decision.sheet != nullptr) {
    const state::ScoreSheet& sheet = *decision.sheet;
    out.set_profile(sheet.profile);
    const size_t known =
        std::min({decision.scores.size(), sheet.plugins.size(), sheet.weights.size()});
    for (size_t i = 0; i < known; ++i) {
      v1::PluginScore& score = *winner.add_plugins();
      score.set_plugin(sheet.plugins[i]);
      score.set_score(decision.scores[i]);
      score.set_weight(sheet.weights[i]);
    }
  }
  out.set_runner_up(decision.runner_up);
  out.set_runner_up_total(decision.runner_up_total);
  out.set_nodes_feasible(decision.nodes_feasible);
  return out;
}

v1::Explanation ToProto(const scheduler::ExplainReply& reply) {
  const state::TaskStatusView& task = reply.task;
  v1::Explanation out = ToProto(reply.explanation);
  out.set_task_mix_tasks(reply.task_mix_tasks);
  if (reply.task_mix_tasks > 0) out.set_task_mix_day(reply.task_mix_day);
  out.set_task_id(state::TaskIdText(task.job.value, *task.spec, task.group, task.position));
  out.set_state(static_cast<v1::TaskState>(task.row.state));
  if (task.row.decision != nullptr) {
    *out.mutable_decision() = ToProto(*task.row.decision, task.row.attempt.node);
  }
  if (reply.queue_position) out.set_queue_position(*reply.queue_position);
  if (task.waits_for != Reason::kNone) {
    out.set_reason(static_cast<v1::ReasonCode>(task.waits_for));
  }
  return out;
}

v1::Explanation ToProto(const scheduler::PlanReply::Task& task, const state::JobSpec& spec) {
  v1::Explanation out = ToProto(task.explanation);
  // Behind the number of the job, which it has not got.
  const std::string id = state::TaskIdText(0, spec, task.group, task.position);
  out.set_task_id(id.substr(id.find('.') + 1));
  if (task.decision != nullptr) *out.mutable_decision() = ToProto(*task.decision, task.node);
  out.set_tasks_like_it(task.like_it);
  return out;
}

v1::Placeability ToProto(pipeline::Placeability placeability) {
  return static_cast<v1::Placeability>(placeability);
}

}  // namespace berth::api
