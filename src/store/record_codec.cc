#include "store/record_codec.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/fixed_hash.h"
#include "base/status_macros.h"
#include "berth/store/v1/records.pb.h"
#include "store/record_frame.h"

namespace berth::store {
namespace {

constexpr uint32_t kLastAttemptEnd = static_cast<uint32_t>(state::AttemptEnd::kUnhealthy);

template <typename Message>
Record MakeRecord(Table table, std::string key, const Message& message) {
  std::string value = FrameRecord(table, key, message);
  return Record{table, std::move(key), std::move(value)};
}

// Collects what is out of range in one record; the first complaint counts.
class Checker {
 public:
  Checker(Table table, std::string_view key) : table_(table), key_(key) {}

  void Complain(std::string_view what) {
    if (status_.ok()) status_ = RecordDamaged(table_, key_, what);
  }
  // `number` as a Number between `least` and `most`.
  template <typename Number, typename Wide>
  Number Within(Wide number, Wide least, Wide most, std::string_view field) {
    if (number >= least && number <= most) return static_cast<Number>(number);
    Complain(std::string(field) + " is " + std::to_string(number) + ", out of range");
    return Number{};
  }
  const absl::Status& status() const { return status_; }

 private:
  const Table table_;
  const std::string_view key_;
  absl::Status status_;
};

state::AttemptEnd ReadEnd(uint32_t number, Checker& checker) {
  return static_cast<state::AttemptEnd>(
      checker.Within<uint8_t, uint32_t>(number, 0, kLastAttemptEnd, "an attempt's end"));
}

state::TaskState ReadState(uint32_t number, Checker& checker) {
  return static_cast<state::TaskState>(checker.Within<uint8_t, uint32_t>(
      number, static_cast<uint32_t>(state::TaskState::kHeld),
      static_cast<uint32_t>(state::TaskState::kQuarantined), "a task's state"));
}

// Numbers that this version has no name for are kept: a reason is only shown.
Reason ReadReason(uint32_t number, Checker& checker) {
  return static_cast<Reason>(checker.Within<uint16_t, uint32_t>(
      number, 0, std::numeric_limits<uint16_t>::max(), "a reason"));
}

// ---- parts of messages ----

void Write(const state::Usage& usage, v1::UsageRecord& record) {
  // What the devices do now means nothing later.
  const auto& [cpu_time_ms, memory_bytes, memory_peak_bytes, device_memory, device_utilisation,
               io_read_bytes, io_written_bytes, scratch_bytes] = usage;
  record.set_cpu_time_ms(cpu_time_ms);
  record.set_memory_bytes(memory_bytes);
  record.set_memory_peak_bytes(memory_peak_bytes);
  record.set_io_read_bytes(io_read_bytes);
  record.set_io_written_bytes(io_written_bytes);
}

state::Usage Read(const v1::UsageRecord& record) {
  return {.cpu_time_ms = record.cpu_time_ms(),
          .memory_bytes = record.memory_bytes(),
          .memory_peak_bytes = record.memory_peak_bytes(),
          .io_read_bytes = record.io_read_bytes(),
          .io_written_bytes = record.io_written_bytes()};
}

void Write(const state::AttemptRow& attempt, v1::AttemptRecord& record) {
  const auto& [number, end, reason, exit_code, signal, node, message, isolation, usage,
               bound_unix_ms, started_unix_ms, ended_unix_ms, device_ids, readiness, not_enforced,
               memory_mib] = attempt;
  record.set_number(number);
  record.set_end(static_cast<uint32_t>(end));
  record.set_reason(static_cast<uint32_t>(reason));
  if (exit_code != -1) record.set_exit_code(exit_code);
  record.set_signal(signal);
  record.set_node(node);
  record.set_message(message);
  record.set_isolation(isolation);
  if (usage != state::Usage{}) Write(usage, *record.mutable_usage());
  record.set_bound_unix_ms(bound_unix_ms);
  record.set_started_unix_ms(started_unix_ms);
  record.set_ended_unix_ms(ended_unix_ms);
  for (const std::string& id : device_ids) record.add_device_ids(id);
  record.set_readiness(static_cast<uint32_t>(readiness));
  for (const std::string& name : not_enforced) record.add_not_enforced(name);
  record.set_memory_mib(memory_mib);
}

state::AttemptRow Read(const v1::AttemptRecord& record, Checker& checker) {
  state::AttemptRow attempt;
  attempt.number = record.number();
  attempt.end = ReadEnd(record.end(), checker);
  attempt.reason = ReadReason(record.reason(), checker);
  attempt.exit_code = record.has_exit_code() ? record.exit_code() : -1;
  attempt.signal = record.signal();
  attempt.node = record.node();
  attempt.message = record.message();
  attempt.isolation = record.isolation();
  if (record.has_usage()) attempt.usage = Read(record.usage());
  attempt.bound_unix_ms = record.bound_unix_ms();
  attempt.started_unix_ms = record.started_unix_ms();
  attempt.ended_unix_ms = record.ended_unix_ms();
  attempt.device_ids.assign(record.device_ids().begin(), record.device_ids().end());
  attempt.readiness = static_cast<state::Readiness>(checker.Within<uint8_t, uint32_t>(
      record.readiness(), 0, static_cast<uint32_t>(state::Readiness::kReady), "a readiness"));
  attempt.not_enforced.assign(record.not_enforced().begin(), record.not_enforced().end());
  attempt.memory_mib =
      checker.Within<int32_t, int32_t>(record.memory_mib(), 0, kMaxQuanta, "an attempt's memory");
  return attempt;
}

void Write(const state::TaskRow& row, v1::HoldingRecord& record) {
  record.set_slot(row.slot);
  record.set_slot_generation(row.slot_generation);
  for (const DeviceGrant& grant : row.reservation.devices) {
    v1::DeviceGrantRecord& device = *record.add_devices();
    device.set_device(grant.device);
    device.set_share_milli(static_cast<uint32_t>(grant.share_milli));
    device.set_memory_mib(grant.memory_mib);
  }
}

void ReadInto(state::TaskRow& row, const v1::HoldingRecord& record, Checker& checker) {
  row.slot = checker.Within<uint32_t, uint32_t>(record.slot(), 0, kNoSlot - 1, "the slot");
  row.slot_generation = record.slot_generation();
  for (const v1::DeviceGrantRecord& device : record.devices()) {
    row.reservation.devices.push_back(
        {.device = checker.Within<uint16_t, uint32_t>(
             device.device(), 0, std::numeric_limits<uint16_t>::max(), "a device's position"),
         .share_milli =
             checker.Within<int16_t, uint32_t>(device.share_milli(), 1, 1000, "a device's share"),
         .memory_mib = checker.Within<int32_t, int32_t>(device.memory_mib(), 0, kMaxQuanta,
                                                        "a device's memory")});
  }
}

void Write(const state::Decision& decision, std::string_view sheet_key,
           v1::DecisionRecord& record) {
  const auto& [epoch, total, rank, runner_up, runner_up_total, nodes_feasible, scores, sheet] =
      decision;
  record.set_epoch(epoch);
  record.set_total(total);
  record.set_rank(rank);
  record.set_runner_up(runner_up);
  record.set_runner_up_total(runner_up_total);
  record.set_nodes_feasible(nodes_feasible);
  record.mutable_scores()->Add(scores.begin(), scores.end());
  record.set_sheet(std::string(sheet_key));
}

state::Decision Read(const v1::DecisionRecord& record) {
  state::Decision decision;
  decision.epoch = record.epoch();
  decision.total = record.total();
  decision.rank = record.rank();
  decision.runner_up = record.runner_up();
  decision.runner_up_total = record.runner_up_total();
  decision.nodes_feasible = record.nodes_feasible();
  decision.scores.assign(record.scores().begin(), record.scores().end());
  return decision;
}

void Write(const state::Amounts& amounts, v1::AmountsRecord& record) {
  record.set_cpu_milli(amounts.builtin[kCpu]);
  record.set_memory_mib(amounts.builtin[kMemory]);
  record.set_storage_mib(amounts.builtin[kStorage]);
  record.set_bandwidth_mbit(amounts.builtin[kBandwidth]);
  for (const auto& [name, amount] : amounts.extended) {
    v1::ExtendedAmountRecord& extended = *record.add_extended();
    extended.set_name(name);
    extended.set_amount(amount);
  }
}

state::Amounts Read(const v1::AmountsRecord& record) {
  state::Amounts amounts;
  amounts.builtin[kCpu] = record.cpu_milli();
  amounts.builtin[kMemory] = record.memory_mib();
  amounts.builtin[kStorage] = record.storage_mib();
  amounts.builtin[kBandwidth] = record.bandwidth_mbit();
  for (const v1::ExtendedAmountRecord& extended : record.extended()) {
    amounts.extended.emplace_back(extended.name(), extended.amount());
  }
  return amounts;
}

void Write(const state::DeviceNeedSpec& need, v1::DeviceNeedRecord& record) {
  record.set_kind(need.kind);
  record.set_count(need.count);
  record.set_share_milli(need.share_milli);
  record.set_memory_mib(need.memory_mib);
  for (const std::string& model : need.models) record.add_models(model);
  for (const int32_t extent : need.box) record.add_box(extent);
}

state::DeviceNeedSpec Read(const v1::DeviceNeedRecord& record) {
  return {.kind = record.kind(),
          .count = record.count(),
          .share_milli = record.share_milli(),
          .memory_mib = record.memory_mib(),
          .models = {record.models().begin(), record.models().end()},
          .box = {record.box().begin(), record.box().end()}};
}

absl::Status BadKey(Table table, std::string_view key) {
  return RecordDamaged(table, key, "the key does not have the form of this table's keys");
}

// A record's message, and its key read by `parse`.
template <typename Message, typename Parse>
absl::Status ReadRecord(Table table, std::string_view key, std::string_view value, Parse parse,
                        Message& message) {
  if (!parse(key).has_value()) return BadKey(table, key);
  return ParseRecord(table, key, value, message).status();
}

}  // namespace

// ---- to records ----
//
// Each names every member of what it writes down, so that a new member does not compile until
// somebody has decided here whether it lasts.

Record Encode(const state::ClusterMeta& meta) {
  const auto& [cluster_id, generation, term, epoch, now_ms, next_job, seed, rank_capacity,
               settling] = meta;
  v1::MetaRecord record;
  record.set_cluster_id(cluster_id);
  record.set_generation(generation);
  record.set_term(term);
  record.set_epoch(epoch);
  record.set_now_at_ms(now_ms);
  record.set_next_job(next_job);
  record.set_rank_seed(seed);
  record.set_rank_capacity(rank_capacity);
  record.set_settling(settling);
  return MakeRecord(Table::kMeta, std::string(kMetaKey), record);
}

Record Encode(const state::JobView& job) {
  const auto& [id, spec, submitted_by, run_as, submitted_unix_ms, started_unix_ms, ended_unix_ms,
               queued_at_ms, ended_at_ms, epoch, exit_code, counts, rest] = job;
  BERTH_CHECK(spec != nullptr) << "job " << id.value << " has no specification";
  v1::JobRecord record;
  record.set_spec_blob(spec->blob.Hex());
  record.set_submitted_by(submitted_by);
  if (run_as.verified) {
    record.set_run_as_uid(run_as.uid);
    record.set_run_as_gid(run_as.gid);
  }
  record.set_submitted_unix_ms(submitted_unix_ms);
  record.set_started_unix_ms(started_unix_ms);
  record.set_ended_unix_ms(ended_unix_ms);
  record.set_queued_at_ms(queued_at_ms);
  record.set_ended_at_ms(ended_at_ms);
  record.set_epoch(epoch);
  record.set_exit_code(exit_code);
  for (const state::TaskState state : rest) record.add_rest(static_cast<uint32_t>(state));
  return MakeRecord(Table::kJobs, JobKey(id), record);
}

Record Encode(const state::TaskStatusView& task) {
  const bool has_sheet = task.row.decision != nullptr && task.row.decision->sheet != nullptr;
  return Encode(task, has_sheet ? Encode(*task.row.decision->sheet).key : std::string());
}

Record Encode(const state::TaskStatusView& task, std::string_view sheet_key) {
  const auto& [job, spec, group, position, row, submitted_unix_ms, waits_for, wait_message] = task;
  const auto& [task_state, wish, retries_used, losses, attempt, past, attempts_before, slot,
               slot_generation, reservation, start_sequence, stop_sequence, not_before_ms,
               started_at_ms, memory_mib, own_shape, epoch, decision] = row;
  v1::TaskRecord record;
  record.set_state(static_cast<uint32_t>(task_state));
  record.set_wish(static_cast<uint32_t>(wish));
  record.set_retries_used(retries_used);
  record.set_losses(losses);
  if (attempt != state::AttemptRow{}) Write(attempt, *record.mutable_attempt());
  for (const state::AttemptRow& ended : past) Write(ended, *record.add_past());
  if (slot != kNoSlot) Write(row, *record.mutable_holding());
  record.set_start_sequence(start_sequence);
  record.set_stop_sequence(stop_sequence);
  record.set_not_before_at_ms(not_before_ms);
  record.set_started_at_ms(started_at_ms);
  record.set_memory_mib(memory_mib);
  if (attempts_before > past.size()) {
    record.set_attempts_forgotten(attempts_before - static_cast<uint32_t>(past.size()));
  }
  record.set_epoch(epoch);
  record.set_submitted_unix_ms(submitted_unix_ms);
  record.set_waits_for(static_cast<uint32_t>(waits_for));
  record.set_wait_message(wait_message);
  if (decision != nullptr) Write(*decision, sheet_key, *record.mutable_decision());
  return MakeRecord(Table::kTasks, TaskRecordKey({job, group, position}), record);
}

Record Encode(const state::NodeView& node) {
  const auto& [spec, slot, generation, ready, cordoned, cordon_reason, allocated, devices, tasks,
               quarantined, usage, parts, latencies, clock_skew_ms, registered_unix_ms, epoch] =
      node;
  BERTH_CHECK(spec != nullptr) << "slot " << slot << " has no specification";
  v1::NodeRecord record;
  record.set_name(spec->name);
  record.set_slot_generation(generation);
  record.set_cordoned(cordoned);
  record.set_cordon_reason(cordon_reason);
  record.set_registered_unix_ms(registered_unix_ms);
  record.set_epoch(epoch);
  if (spec->encoded_inventory) record.set_inventory(*spec->encoded_inventory);
  record.set_agent_version(spec->agent_version);
  return MakeRecord(Table::kNodes, SlotKey(slot), record);
}

Record Encode(const state::NodeLinkView& link) {
  const auto& [slot, incarnation, next_sequence, fact_sequence] = link;
  v1::NodeLinkRecord record;
  record.set_incarnation(incarnation);
  record.set_next_sequence(next_sequence);
  record.set_fact_sequence(fact_sequence);
  return MakeRecord(Table::kNodeLinks, SlotKey(slot), record);
}

Record Encode(const state::RequestView& request) {
  const auto& [principal, request_id, body_hash, job, tasks, epoch, answered_ms] = request;
  v1::RequestRecord record;
  record.set_body_hash(body_hash);
  record.set_job(job.value);
  record.set_tasks(tasks);
  record.set_epoch(epoch);
  record.set_answered_at_ms(answered_ms);
  return MakeRecord(Table::kRequests, PrincipalKey(principal, request_id), record);
}

Record Encode(const state::BatchView& batch) {
  const auto& [principal, batch_id, next_offset, touched_ms] = batch;
  v1::BatchRecord record;
  record.set_next_offset(next_offset);
  record.set_touched_at_ms(touched_ms);
  return MakeRecord(Table::kBatches, PrincipalKey(principal, batch_id), record);
}

Record Encode(const state::HintsChange& change) {
  const auto& [job, group, hints] = change;
  const auto& [bound_by, data, expected_ms] = hints;
  v1::GroupHintsRecord record;
  record.set_bound_by(bound_by ? static_cast<uint32_t>(*bound_by) + 1 : 0);
  for (const DataHint& hint : data) {
    v1::DataHintRecord& added = *record.add_data();
    for (const std::string& name : hint.names) added.add_names(name);
    added.set_weight(hint.weight);
  }
  record.set_expected_ms(expected_ms);
  return MakeRecord(Table::kFeatures, FeaturesKey(job, group, state::FeaturePart::kHints), record);
}

Record Encode(const state::FeaturesChange& features) {
  const auto& [job, group, part, content] = features;
  v1::OpaqueRecord record;
  record.set_content(*content);
  return MakeRecord(Table::kFeatures, FeaturesKey(job, group, part), record);
}

Record Encode(const state::FeatureStateChange& piece) {
  const auto& [name, content] = piece;
  v1::OpaqueRecord record;
  record.set_content(*content);
  return MakeRecord(Table::kLearned, name, record);
}

Record Encode(const state::ScoreSheet& sheet) {
  v1::SheetRecord record;
  record.set_profile(sheet.profile);
  for (const std::string& plugin : sheet.plugins) record.add_plugins(plugin);
  record.mutable_weights()->Add(sheet.weights.begin(), sheet.weights.end());
  return MakeRecord(Table::kSheets, SheetKey(base::FixedHash(record.SerializeAsString())), record);
}

Record Encode(const ChangeLogEntry& entry) {
  v1::ChangeLogRecord record;
  uint64_t last = 0;
  for (const JobId job : entry.jobs) {
    record.add_job_deltas(job.value - last);
    last = job.value;
  }
  for (const TaskRun& run : entry.tasks) {
    v1::TaskRunRecord& tasks = *record.add_tasks();
    tasks.set_job(run.job.value);
    tasks.set_group(run.group);
    tasks.set_first(run.first);
    tasks.set_count(run.count);
  }
  record.mutable_nodes()->Add(entry.nodes.begin(), entry.nodes.end());
  for (const RemovedJob& removed : entry.removed_jobs) {
    v1::RemovedJobRecord& job = *record.add_removed_jobs();
    job.set_job(removed.job.value);
    job.set_namespace_(removed.ns);
  }
  for (const RemovedNode& removed : entry.removed_nodes) {
    v1::RemovedNodeRecord& node = *record.add_removed_nodes();
    node.set_slot(removed.slot);
    node.set_name(removed.name);
  }
  return MakeRecord(Table::kChangeLog, EpochKey(entry.epoch), record);
}

Record Encode(const JournalPosition& at, const state::AuditView& audit) {
  const auto& [unix_ms, principal, action, object, outcome, detail] = audit;
  v1::AuditRecord record;
  record.set_unix_ms(unix_ms);
  record.set_principal(principal);
  record.set_action(action);
  record.set_object(object);
  record.set_outcome(outcome);
  record.set_detail(detail);
  return MakeRecord(Table::kAudit, JournalKey(at.epoch, at.position), record);
}

Record Encode(const JournalPosition& at, const HistoryEntry& entry) {
  v1::HistoryRecord record;
  record.set_job(entry.job.value);
  record.set_job_name(entry.job_name);
  record.set_user(entry.user);
  record.set_namespace_(entry.ns);
  record.set_queue(entry.queue);
  record.set_profile(entry.profile);
  record.set_priority(entry.priority);
  for (const auto& [key, value] : entry.labels) {
    v1::LabelRecord& label = *record.add_labels();
    label.set_key(key);
    label.set_value(value);
  }
  record.set_group(entry.group);
  record.set_group_name(entry.group_name);
  record.set_position(entry.position);
  record.set_index(entry.index);
  record.set_group_size(entry.group_size);
  Write(entry.requests, *record.mutable_requests());
  for (const state::DeviceNeedSpec& need : entry.device_needs) {
    Write(need, *record.add_device_needs());
  }
  record.set_time_limit_ms(entry.time_limit_ms);
  record.set_submitted_unix_ms(entry.submitted_unix_ms);
  Write(entry.attempt, *record.mutable_attempt());
  return MakeRecord(Table::kHistory, JournalKey(at.epoch, at.position), record);
}

// ---- and back ----

absl::StatusOr<state::ClusterMeta> DecodeMeta(std::string_view key, std::string_view value) {
  if (key != kMetaKey) return BadKey(Table::kMeta, key);
  v1::MetaRecord record;
  BERTH_RETURN_IF_ERROR(ParseRecord(Table::kMeta, key, value, record).status());
  const uint32_t capacity = record.rank_capacity();
  if (capacity == 0 || (capacity & (capacity - 1)) != 0) {
    return RecordDamaged(
        Table::kMeta, key,
        "the ranks' capacity is " + std::to_string(capacity) + ", not a power of two");
  }
  return state::ClusterMeta{.cluster_id = record.cluster_id(),
                            .generation = record.generation(),
                            .term = record.term(),
                            .epoch = record.epoch(),
                            .now_ms = record.now_at_ms(),
                            .next_job = record.next_job(),
                            .seed = record.rank_seed(),
                            .rank_capacity = capacity,
                            .settling = record.settling()};
}

absl::StatusOr<JobRecordContent> DecodeJob(std::string_view key, std::string_view value) {
  v1::JobRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kJobs, key, value, ParseJobKey, record));
  if (record.has_run_as_uid() != record.has_run_as_gid()) {
    return RecordDamaged(Table::kJobs, key, "it has a user without a group, or the reverse");
  }
  const auto blob = base::Sha256Digest::FromHex(record.spec_blob());
  if (!blob) {
    return RecordDamaged(Table::kJobs, key,
                         "\"" + record.spec_blob() + "\" is no address of a specification");
  }
  JobRecordContent content;
  content.spec_blob = *blob;
  state::JobView& job = content.job;
  job.id = *ParseJobKey(key);
  job.submitted_by = record.submitted_by();
  job.run_as.verified = record.has_run_as_uid();
  job.run_as.uid = record.run_as_uid();
  job.run_as.gid = record.run_as_gid();
  job.submitted_unix_ms = record.submitted_unix_ms();
  job.started_unix_ms = record.started_unix_ms();
  job.ended_unix_ms = record.ended_unix_ms();
  job.queued_at_ms = record.queued_at_ms();
  job.ended_at_ms = record.ended_at_ms();
  job.epoch = record.epoch();
  job.exit_code = record.exit_code();
  Checker checker(Table::kJobs, key);
  for (const uint32_t number : record.rest()) job.rest.push_back(ReadState(number, checker));
  BERTH_RETURN_IF_ERROR(checker.status());
  return content;
}

absl::StatusOr<TaskRecordContent> DecodeTask(std::string_view key, std::string_view value) {
  v1::TaskRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kTasks, key, value, ParseTaskRecordKey, record));
  Checker checker(Table::kTasks, key);
  TaskRecordContent content;
  state::TaskStatusView& task = content.task;
  const TaskKey id = *ParseTaskRecordKey(key);
  task.job = id.job;
  task.group = id.group;
  task.position = id.position;
  task.submitted_unix_ms = record.submitted_unix_ms();
  task.waits_for = ReadReason(record.waits_for(), checker);
  task.wait_message = record.wait_message();
  state::TaskRow& row = task.row;
  row.state = ReadState(record.state(), checker);
  row.wish = ReadEnd(record.wish(), checker);
  constexpr uint32_t kMost16 = std::numeric_limits<uint16_t>::max();
  row.retries_used =
      checker.Within<uint16_t, uint32_t>(record.retries_used(), 0, kMost16, "the retries used");
  row.losses = checker.Within<uint16_t, uint32_t>(record.losses(), 0, kMost16, "the losses");
  if (record.has_attempt()) row.attempt = Read(record.attempt(), checker);
  row.past.reserve(static_cast<size_t>(record.past_size()));
  for (const v1::AttemptRecord& past : record.past()) row.past.push_back(Read(past, checker));
  row.attempts_before = record.attempts_forgotten() + static_cast<uint32_t>(record.past_size());
  if (record.has_holding()) ReadInto(row, record.holding(), checker);
  row.start_sequence = record.start_sequence();
  row.stop_sequence = record.stop_sequence();
  row.not_before_ms = record.not_before_at_ms();
  row.started_at_ms = record.started_at_ms();
  row.memory_mib =
      checker.Within<int32_t, int32_t>(record.memory_mib(), 0, kMaxQuanta, "the task's memory");
  row.epoch = record.epoch();
  if (record.has_decision()) {
    row.decision = std::make_shared<const state::Decision>(Read(record.decision()));
    content.sheet = record.decision().sheet();
  }
  BERTH_RETURN_IF_ERROR(checker.status());
  return content;
}

absl::StatusOr<NodeRecordContent> DecodeNode(std::string_view key, std::string_view value) {
  v1::NodeRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kNodes, key, value, ParseSlotKey, record));
  if (record.name().empty()) return RecordDamaged(Table::kNodes, key, "it has no name");
  NodeRecordContent content;
  content.name = record.name();
  content.agent_version = record.agent_version();
  content.node.cordon_reason = record.cordon_reason();
  content.inventory = record.inventory();
  state::NodeView& node = content.node;
  node.slot = *ParseSlotKey(key);
  node.generation = record.slot_generation();
  node.cordoned = record.cordoned();
  node.registered_unix_ms = record.registered_unix_ms();
  node.epoch = record.epoch();
  return content;
}

absl::StatusOr<state::NodeLinkView> DecodeNodeLink(std::string_view key, std::string_view value) {
  v1::NodeLinkRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kNodeLinks, key, value, ParseSlotKey, record));
  return state::NodeLinkView{.slot = *ParseSlotKey(key),
                             .incarnation = record.incarnation(),
                             .next_sequence = record.next_sequence(),
                             .fact_sequence = record.fact_sequence()};
}

absl::StatusOr<state::RequestView> DecodeRequest(std::string_view key, std::string_view value) {
  v1::RequestRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kRequests, key, value, ParsePrincipalKey, record));
  PrincipalAndId parts = *ParsePrincipalKey(key);
  return state::RequestView{.principal = std::move(parts.principal),
                            .request_id = std::move(parts.id),
                            .body_hash = record.body_hash(),
                            .job = JobId{record.job()},
                            .tasks = record.tasks(),
                            .epoch = record.epoch(),
                            .answered_ms = record.answered_at_ms()};
}

absl::StatusOr<state::BatchView> DecodeBatch(std::string_view key, std::string_view value) {
  v1::BatchRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kBatches, key, value, ParsePrincipalKey, record));
  PrincipalAndId parts = *ParsePrincipalKey(key);
  return state::BatchView{.principal = std::move(parts.principal),
                          .batch_id = std::move(parts.id),
                          .next_offset = record.next_offset(),
                          .touched_ms = record.touched_at_ms()};
}

absl::StatusOr<state::ScoreSheet> DecodeSheet(std::string_view key, std::string_view value) {
  v1::SheetRecord record;
  BERTH_RETURN_IF_ERROR(ParseRecord(Table::kSheets, key, value, record).status());
  if (record.plugins_size() != record.weights_size()) {
    return RecordDamaged(Table::kSheets, key, "it has not as many weights as plugins");
  }
  return state::ScoreSheet{.profile = record.profile(),
                           .plugins = {record.plugins().begin(), record.plugins().end()},
                           .weights = {record.weights().begin(), record.weights().end()}};
}

absl::StatusOr<state::HintsChange> DecodeHints(std::string_view key, std::string_view value) {
  v1::GroupHintsRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kFeatures, key, value, ParseFeaturesKey, record));
  const FeaturesPlace place = *ParseFeaturesKey(key);
  Checker checker(Table::kFeatures, key);
  state::HintsChange change{.job = place.job, .group = place.group, .hints = {}};
  if (record.bound_by() != 0) {
    change.hints.bound_by = static_cast<ComputationClass>(checker.Within<uint8_t, uint32_t>(
        record.bound_by() - 1, 0, kComputationClasses - 1, "what it is bound by"));
  }
  if (record.data_size() > static_cast<int>(state::kMostDataHints)) {
    checker.Complain("it names too much data");
  }
  for (const v1::DataHintRecord& data : record.data()) {
    DataHint hint{.names = {data.names().begin(), data.names().end()},
                  .weight = checker.Within<int32_t, int32_t>(data.weight(), 1, 100, "a weight")};
    if (hint.names.empty()) checker.Complain("data has no name");
    change.hints.data.push_back(std::move(hint));
  }
  change.hints.expected_ms = checker.Within<int64_t, int64_t>(
      record.expected_ms(), 0, std::numeric_limits<int64_t>::max(), "how long it takes");
  BERTH_RETURN_IF_ERROR(checker.status());
  return change;
}

absl::StatusOr<state::FeaturesChange> DecodeFeatures(std::string_view key, std::string_view value) {
  v1::OpaqueRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kFeatures, key, value, ParseFeaturesKey, record));
  const FeaturesPlace place = *ParseFeaturesKey(key);
  return state::FeaturesChange{
      .job = place.job,
      .group = place.group,
      .part = place.part,
      .record = std::make_shared<const std::string>(std::move(*record.mutable_content()))};
}

absl::StatusOr<state::FeatureStateChange> DecodeLearned(std::string_view key,
                                                        std::string_view value) {
  v1::OpaqueRecord record;
  BERTH_RETURN_IF_ERROR(ParseRecord(Table::kLearned, key, value, record).status());
  return state::FeatureStateChange{
      .name = std::string(key),
      .content = std::make_shared<const std::string>(std::move(*record.mutable_content()))};
}

absl::StatusOr<ChangeLogEntry> DecodeChangeLog(std::string_view key, std::string_view value) {
  v1::ChangeLogRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kChangeLog, key, value, ParseEpochKey, record));
  ChangeLogEntry entry;
  entry.epoch = *ParseEpochKey(key);
  uint64_t job = 0;
  entry.jobs.reserve(static_cast<size_t>(record.job_deltas_size()));
  for (const uint64_t delta : record.job_deltas()) entry.jobs.push_back(JobId{job += delta});
  entry.tasks.reserve(static_cast<size_t>(record.tasks_size()));
  for (const v1::TaskRunRecord& run : record.tasks()) {
    entry.tasks.push_back({.job = JobId{run.job()},
                           .group = run.group(),
                           .first = run.first(),
                           .count = run.count()});
  }
  entry.nodes.assign(record.nodes().begin(), record.nodes().end());
  for (const v1::RemovedJobRecord& removed : record.removed_jobs()) {
    entry.removed_jobs.push_back({.job = JobId{removed.job()}, .ns = removed.namespace_()});
  }
  for (const v1::RemovedNodeRecord& removed : record.removed_nodes()) {
    entry.removed_nodes.push_back({.slot = removed.slot(), .name = removed.name()});
  }
  return entry;
}

absl::StatusOr<state::AuditView> DecodeAudit(std::string_view key, std::string_view value) {
  v1::AuditRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kAudit, key, value, ParseJournalKey, record));
  return state::AuditView{.unix_ms = record.unix_ms(),
                          .principal = record.principal(),
                          .action = record.action(),
                          .object = record.object(),
                          .outcome = record.outcome(),
                          .detail = record.detail()};
}

absl::StatusOr<HistoryEntry> DecodeHistory(std::string_view key, std::string_view value) {
  v1::HistoryRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kHistory, key, value, ParseJournalKey, record));
  Checker checker(Table::kHistory, key);
  HistoryEntry entry;
  entry.job = JobId{record.job()};
  entry.job_name = record.job_name();
  entry.user = record.user();
  entry.ns = record.namespace_();
  entry.queue = record.queue();
  entry.profile = record.profile();
  entry.priority = record.priority();
  for (const v1::LabelRecord& label : record.labels()) entry.labels[label.key()] = label.value();
  entry.group = record.group();
  entry.group_name = record.group_name();
  entry.position = record.position();
  entry.index = record.index();
  entry.group_size = record.group_size();
  entry.requests = Read(record.requests());
  for (const v1::DeviceNeedRecord& need : record.device_needs()) {
    entry.device_needs.push_back(Read(need));
  }
  entry.time_limit_ms = record.time_limit_ms();
  entry.submitted_unix_ms = record.submitted_unix_ms();
  entry.attempt = Read(record.attempt(), checker);
  BERTH_RETURN_IF_ERROR(checker.status());
  return entry;
}

}  // namespace berth::store
