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

constexpr uint32_t kLastAttemptEnd = static_cast<uint32_t>(state::AttemptEnd::kCouldNotStart);

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

// Numbers that this version has no name for are kept: a reason is only shown.
Reason ReadReason(uint32_t number, Checker& checker) {
  return static_cast<Reason>(checker.Within<uint16_t, uint32_t>(
      number, 0, std::numeric_limits<uint16_t>::max(), "a reason"));
}

// ---- parts of messages ----

void Write(const state::Usage& usage, v1::UsageRecord& record) {
  record.set_cpu_time_ms(usage.cpu_time_ms);
  record.set_memory_bytes(usage.memory_bytes);
  record.set_memory_peak_bytes(usage.memory_peak_bytes);
}

state::Usage Read(const v1::UsageRecord& record) {
  return {.cpu_time_ms = record.cpu_time_ms(),
          .memory_bytes = record.memory_bytes(),
          .memory_peak_bytes = record.memory_peak_bytes()};
}

void Write(const state::AttemptRow& attempt, v1::AttemptRecord& record) {
  record.set_number(attempt.number);
  record.set_end(static_cast<uint32_t>(attempt.end));
  record.set_reason(static_cast<uint32_t>(attempt.reason));
  if (attempt.exit_code != -1) record.set_exit_code(attempt.exit_code);
  record.set_signal(attempt.signal);
  record.set_node(attempt.node);
  record.set_message(attempt.message);
  record.set_isolation(attempt.isolation);
  if (attempt.usage != state::Usage{}) Write(attempt.usage, *record.mutable_usage());
  record.set_bound_unix_ms(attempt.bound_unix_ms);
  record.set_started_unix_ms(attempt.started_unix_ms);
  record.set_ended_unix_ms(attempt.ended_unix_ms);
  for (const std::string& id : attempt.device_ids) record.add_device_ids(id);
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
  record.set_epoch(decision.epoch);
  record.set_total(decision.total);
  record.set_rank(decision.rank);
  record.set_runner_up(decision.runner_up);
  record.set_runner_up_total(decision.runner_up_total);
  record.set_nodes_feasible(decision.nodes_feasible);
  record.mutable_scores()->Add(decision.scores.begin(), decision.scores.end());
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
}

state::DeviceNeedSpec Read(const v1::DeviceNeedRecord& record) {
  return {.kind = record.kind(),
          .count = record.count(),
          .share_milli = record.share_milli(),
          .memory_mib = record.memory_mib(),
          .models = {record.models().begin(), record.models().end()}};
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

Record Encode(const state::ClusterMeta& meta) {
  v1::MetaRecord record;
  record.set_cluster_id(meta.cluster_id);
  record.set_generation(meta.generation);
  record.set_term(meta.term);
  record.set_epoch(meta.epoch);
  record.set_now_at_ms(meta.now_ms);
  record.set_next_job(meta.next_job);
  record.set_rank_seed(meta.seed);
  record.set_rank_capacity(meta.rank_capacity);
  return MakeRecord(Table::kMeta, std::string(kMetaKey), record);
}

Record Encode(const state::JobView& job) {
  BERTH_CHECK(job.spec != nullptr) << "job " << job.id.value << " has no specification";
  v1::JobRecord record;
  record.set_spec_blob(job.spec->blob);
  record.set_submitted_by(job.submitted_by);
  if (job.run_as.verified) {
    record.set_run_as_uid(job.run_as.uid);
    record.set_run_as_gid(job.run_as.gid);
  }
  record.set_submitted_unix_ms(job.submitted_unix_ms);
  record.set_started_unix_ms(job.started_unix_ms);
  record.set_ended_unix_ms(job.ended_unix_ms);
  record.set_queued_at_ms(job.queued_at_ms);
  record.set_epoch(job.epoch);
  record.set_exit_code(job.exit_code);
  return MakeRecord(Table::kJobs, JobKey(job.id), record);
}

Record Encode(const state::TaskStatusView& task) {
  const bool has_sheet = task.row.decision != nullptr && task.row.decision->sheet != nullptr;
  return Encode(task, has_sheet ? Encode(*task.row.decision->sheet).key : std::string());
}

Record Encode(const state::TaskStatusView& task, std::string_view sheet_key) {
  const state::TaskRow& row = task.row;
  v1::TaskRecord record;
  record.set_state(static_cast<uint32_t>(row.state));
  record.set_wish(static_cast<uint32_t>(row.wish));
  record.set_retries_used(row.retries_used);
  record.set_losses(row.losses);
  if (row.attempt != state::AttemptRow{}) Write(row.attempt, *record.mutable_attempt());
  for (const state::AttemptRow& attempt : row.past) Write(attempt, *record.add_past());
  if (row.slot != kNoSlot) Write(row, *record.mutable_holding());
  record.set_start_sequence(row.start_sequence);
  record.set_stop_sequence(row.stop_sequence);
  record.set_not_before_at_ms(row.not_before_ms);
  record.set_epoch(row.epoch);
  record.set_submitted_unix_ms(task.submitted_unix_ms);
  record.set_waits_for(static_cast<uint32_t>(task.waits_for));
  record.set_wait_message(task.wait_message);
  if (row.decision != nullptr) Write(*row.decision, sheet_key, *record.mutable_decision());
  return MakeRecord(Table::kTasks, TaskRecordKey({task.job, task.group, task.position}), record);
}

Record Encode(const state::NodeView& node) {
  BERTH_CHECK(node.spec != nullptr) << "slot " << node.slot << " has no specification";
  v1::NodeRecord record;
  record.set_name(node.spec->name);
  record.set_slot_generation(node.generation);
  record.set_cordoned(node.cordoned);
  record.set_registered_unix_ms(node.registered_unix_ms);
  record.set_epoch(node.epoch);
  if (node.spec->encoded_inventory) record.set_inventory(*node.spec->encoded_inventory);
  record.set_agent_version(node.spec->agent_version);
  return MakeRecord(Table::kNodes, SlotKey(node.slot), record);
}

Record Encode(const state::NodeLinkView& link) {
  v1::NodeLinkRecord record;
  record.set_incarnation(link.incarnation);
  record.set_next_sequence(link.next_sequence);
  record.set_fact_sequence(link.fact_sequence);
  return MakeRecord(Table::kNodeLinks, SlotKey(link.slot), record);
}

Record Encode(const state::RequestView& request) {
  v1::RequestRecord record;
  record.set_body_hash(request.body_hash);
  record.set_job(request.job.value);
  record.set_answered_at_ms(request.answered_ms);
  return MakeRecord(Table::kRequests, PrincipalKey(request.principal, request.request_id), record);
}

Record Encode(const state::BatchView& batch) {
  v1::BatchRecord record;
  record.set_next_offset(batch.next_offset);
  record.set_touched_at_ms(batch.touched_ms);
  return MakeRecord(Table::kBatches, PrincipalKey(batch.principal, batch.batch_id), record);
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
  v1::AuditRecord record;
  record.set_unix_ms(audit.unix_ms);
  record.set_principal(audit.principal);
  record.set_action(audit.action);
  record.set_object(audit.object);
  record.set_outcome(audit.outcome);
  record.set_detail(audit.detail);
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
                            .rank_capacity = capacity};
}

absl::StatusOr<JobRecordContent> DecodeJob(std::string_view key, std::string_view value) {
  v1::JobRecord record;
  BERTH_RETURN_IF_ERROR(ReadRecord(Table::kJobs, key, value, ParseJobKey, record));
  if (record.has_run_as_uid() != record.has_run_as_gid()) {
    return RecordDamaged(Table::kJobs, key, "it has a user without a group, or the reverse");
  }
  JobRecordContent content;
  content.spec_blob = record.spec_blob();
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
  job.epoch = record.epoch();
  job.exit_code = record.exit_code();
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
  row.state = static_cast<state::TaskState>(checker.Within<uint8_t, uint32_t>(
      record.state(), static_cast<uint32_t>(state::TaskState::kHeld),
      static_cast<uint32_t>(state::TaskState::kQuarantined), "the state"));
  row.wish = ReadEnd(record.wish(), checker);
  constexpr uint32_t kMost16 = std::numeric_limits<uint16_t>::max();
  row.retries_used =
      checker.Within<uint16_t, uint32_t>(record.retries_used(), 0, kMost16, "the retries used");
  row.losses = checker.Within<uint16_t, uint32_t>(record.losses(), 0, kMost16, "the losses");
  if (record.has_attempt()) row.attempt = Read(record.attempt(), checker);
  row.past.reserve(static_cast<size_t>(record.past_size()));
  for (const v1::AttemptRecord& past : record.past()) row.past.push_back(Read(past, checker));
  if (record.has_holding()) ReadInto(row, record.holding(), checker);
  row.start_sequence = record.start_sequence();
  row.stop_sequence = record.stop_sequence();
  row.not_before_ms = record.not_before_at_ms();
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
