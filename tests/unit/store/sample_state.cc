#include "tests/unit/store/sample_state.h"

#include <utility>

#include "base/sha256.h"

namespace berth::store {
namespace {

constexpr int64_t kNoon = 1'767'268'800'000;  // 2026-01-01T12:00:00Z

std::shared_ptr<const std::string> SampleInventory() {
  return std::make_shared<const std::string>("inventory of n7");
}

state::AttemptRow LostAttempt() {
  state::AttemptRow attempt;
  attempt.number = 1;
  attempt.end = state::AttemptEnd::kLost;
  attempt.reason = Reason::kNodeLost;
  attempt.node = "n3";
  attempt.message = "no heartbeat for 5m";
  attempt.isolation = "cgroup-v1";
  attempt.bound_unix_ms = kNoon + 1'000;
  attempt.started_unix_ms = kNoon + 1'020;
  attempt.ended_unix_ms = kNoon + 301'000;
  return attempt;
}

state::AttemptRow EndedAttempt() {
  state::AttemptRow attempt;
  attempt.number = 2;
  attempt.end = state::AttemptEnd::kOutOfMemory;
  attempt.reason = Reason::kOutOfMemory;
  attempt.exit_code = 137;
  attempt.signal = 9;
  attempt.node = "n7";
  attempt.message = "used more than 2Gi";
  attempt.isolation = "cgroup-v1";
  attempt.usage = {
      .cpu_time_ms = 61'234, .memory_bytes = 12'288, .memory_peak_bytes = 2'147'483'648};
  attempt.bound_unix_ms = kNoon + 302'000;
  attempt.started_unix_ms = kNoon + 302'030;
  attempt.ended_unix_ms = kNoon + 400'000;
  attempt.device_ids = {"GPU-1", "GPU-3"};
  return attempt;
}

}  // namespace

std::string SampleBlob() { return "specification of the sample job"; }

state::JobSpec SampleSpec() {
  state::GroupSpec leader;
  leader.name = "leader";
  leader.ranges = {{.first = 0, .last = 0}};
  leader.needs.Edit().requests.builtin = {500, 256, 0, 0};
  state::GroupSpec worker;
  worker.name = "worker";
  worker.in_array = true;
  worker.ranges = {{.first = 10, .last = 18, .step = 4}};
  worker.needs.Edit().requests.builtin = {4000, 2048, 1024, 100};
  worker.needs.Edit().requests.extended = {{"fpga_slots", 2}};
  worker.needs.Edit().devices = {{.kind = "gpu",
                                  .count = 2,
                                  .share_milli = 1000,
                                  .memory_mib = 16'384,
                                  .models = {"A100-SXM4-80GB", "H100"}}};
  worker.time_limit_ms = 3'600'000;
  state::JobSpec spec;
  spec.ns = "vision";
  spec.name = "train";
  spec.queue = "default";
  spec.profile = "default";
  spec.priority = -5;
  spec.labels = {{"model", "resnet"}, {"stage", "2"}};
  spec.groups = {std::move(leader), std::move(worker)};
  spec.blob = base::Sha256Of(SampleBlob());
  return spec;
}

state::ClusterMeta SampleMeta() {
  return {.cluster_id = "0f9d2c5e-8a53-4b52-9d0f-3f6f6a1c2b7e",
          .generation = 1,
          .term = 3,
          .epoch = 1'000'000'007,
          .now_ms = 86'400'123,
          .next_job = 13,
          .seed = 0xfedcba9876543210u,
          .rank_capacity = 128};
}

state::JobView SampleJob(uint64_t id) {
  state::JobView job;
  job.id = JobId{id};
  job.spec = std::make_shared<const state::JobSpec>(SampleSpec());
  job.submitted_by = "uid:1000";
  job.run_as = {.verified = true, .uid = 1000, .gid = 100};
  job.submitted_unix_ms = kNoon;
  job.started_unix_ms = kNoon + 1'020;
  job.ended_unix_ms = kNoon + 400'000;
  job.queued_at_ms = 5'000;
  job.ended_at_ms = 405'000;
  job.epoch = 77;
  job.exit_code = 137;
  job.rest = {state::TaskState::kCancelled, state::TaskState::kQueued};
  return job;
}

state::TaskStatusView SampleTask() {
  state::TaskStatusView task;
  task.job = JobId{12};
  task.spec = std::make_shared<const state::JobSpec>(SampleSpec());
  task.group = 1;
  task.position = 2;
  task.submitted_unix_ms = kNoon;
  task.waits_for = Reason::kBackingOff;
  task.wait_message = "for 3 s";
  state::TaskRow& row = task.row;
  row.state = state::TaskState::kStopping;
  row.wish = state::AttemptEnd::kCancelled;
  row.retries_used = 1;
  row.losses = 2;
  row.attempt = EndedAttempt();
  row.past = {LostAttempt()};
  row.attempts_before = 1;
  row.slot = 4;
  row.slot_generation = 9;
  row.reservation.devices = {{.device = 0, .share_milli = 1000, .memory_mib = 0},
                             {.device = 3, .share_milli = 250, .memory_mib = 4'096}};
  row.start_sequence = 41;
  row.stop_sequence = 43;
  row.not_before_ms = 90'000;
  row.epoch = 78;
  row.decision = std::make_shared<const state::Decision>(
      state::Decision{.epoch = 70,
                      .total = 3'145'728,
                      .rank = 5,
                      .runner_up = "n9",
                      .runner_up_total = 3'145'000,
                      .nodes_feasible = 12,
                      .scores = {1'048'576, 0, -1},
                      .sheet = std::make_shared<const state::ScoreSheet>(SampleSheet())});
  return task;
}

state::NodeView SampleNode() {
  state::NodeSpec spec;
  spec.name = "n7";
  spec.agent_version = "0.1.0";
  spec.encoded_inventory = SampleInventory();
  state::NodeView node;
  node.spec = std::make_shared<const state::NodeSpec>(std::move(spec));
  node.slot = 4;
  node.generation = 9;
  node.ready = true;
  node.cordoned = true;
  node.tasks = 1;
  node.registered_unix_ms = kNoon - 1'000;
  node.epoch = 60;
  return node;
}

state::NodeLinkView SampleLink() {
  return {.slot = 4,
          .incarnation = "5bfae0c4-1f6b-4f0b-8f0e-1d7a8f5c9b11",
          .next_sequence = 44,
          .fact_sequence = 1'234};
}

state::RequestView SampleRequest() {
  return {.principal = "uid:1000",
          .request_id = "b1946ac9",
          .body_hash = base::Sha256Hex("body"),
          .job = JobId{12},
          .tasks = 100,
          .epoch = 77,
          .answered_ms = 5'001};
}

state::BatchView SampleBatch() {
  return {.principal = "uid:1000", .batch_id = "night", .next_offset = 4'000, .touched_ms = 5'002};
}

state::AuditView SampleAudit() {
  return {.unix_ms = kNoon,
          .principal = "uid:1000",
          .action = "submit_job",
          .object = "job 12",
          .outcome = "ok",
          .detail = "4 tasks"};
}

state::HistoryView SampleHistory() {
  return {.job = JobId{12},
          .spec = std::make_shared<const state::JobSpec>(SampleSpec()),
          .user = "uid:1000",
          .group = 1,
          .position = 2,
          .attempt = EndedAttempt(),
          .submitted_unix_ms = kNoon};
}

state::ScoreSheet SampleSheet() {
  return {.profile = "default",
          .plugins = {"NodeResourcesFit", "NodeResourcesBalancedAllocation", "TaintToleration"},
          .weights = {2, 1, 3}};
}

ChangeLogEntry SampleChanges() {
  return {.epoch = 78,
          .jobs = {JobId{12}, JobId{10'000'000'003}},
          .tasks = {{.job = JobId{12}, .group = 1, .first = 0, .count = 3}},
          .nodes = {2, 4},
          .removed_jobs = {{.job = JobId{3}, .ns = "vision"}},
          .removed_nodes = {{.slot = 1, .name = "n2"}}};
}

SpecDecoders SampleDecoders() {
  SpecDecoders decoders;
  decoders.job = [](std::string_view blob) -> absl::StatusOr<state::JobSpec> {
    if (blob != SampleBlob()) return absl::InvalidArgumentError("not the sample specification");
    return SampleSpec();
  };
  decoders.node = [](std::string_view inventory) -> absl::StatusOr<state::NodeSpec> {
    if (inventory != *SampleInventory()) {
      return absl::InvalidArgumentError("not the sample inventory");
    }
    state::NodeSpec spec;
    spec.isolation = "cgroup-v1";
    return spec;
  };
  return decoders;
}

state::HintsChange SampleHints() {
  return {.job = JobId{12},
          .group = 1,
          .hints = {.bound_by = ComputationClass::kMemoryBound,
                    .data = {{.names = {"/data/imagenet", "imagenet"}, .weight = 15}},
                    .expected_ms = 7'200'000}};
}

state::FeaturesChange SampleFeatures() {
  return {.job = JobId{12},
          .group = 1,
          .part = state::FeaturePart::kAdmission,
          .record = std::make_shared<const std::string>("what was read")};
}

state::FeatureStateChange SampleLearned() {
  return {.name = "group/7", .content = std::make_shared<const std::string>("what was learned")};
}

state::ChangeBatch SampleChangeBatch(const std::string& cluster_id) {
  state::ChangeBatch batch;
  batch.epoch = 1;
  batch.term = 1;
  state::ClusterMeta meta = SampleMeta();
  meta.cluster_id = cluster_id;
  meta.epoch = 1;
  meta.term = 1;
  batch.changes.push_back(state::MetaChange{meta});
  batch.changes.push_back(state::BlobChange{base::Sha256Hex(SampleBlob()),
                                            std::make_shared<const std::string>(SampleBlob())});
  batch.changes.push_back(state::JobChange{.job = SampleJob()});
  batch.changes.push_back(state::TaskChange{SampleTask()});
  batch.changes.push_back(state::NodeChange{.node = SampleNode()});
  batch.changes.push_back(state::NodeLinkChange{SampleLink()});
  batch.changes.push_back(state::RequestChange{SampleRequest()});
  batch.changes.push_back(state::BatchChange{SampleBatch()});
  batch.changes.push_back(state::AuditChange{SampleAudit()});
  batch.changes.push_back(state::HistoryChange{SampleHistory()});
  batch.changes.push_back(SampleHints());
  batch.changes.push_back(SampleFeatures());
  batch.changes.push_back(SampleLearned());
  return batch;
}

}  // namespace berth::store
