#include "api/convert.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "api/admission.h"
#include "berth/v1/agent.pb.h"
#include "wire/amounts.h"

namespace berth::api {
namespace {

using google::protobuf::util::MessageDifferencer;
using state::TaskState;

v1::JobSpec FullSpec() {
  v1::JobSpec job;
  job.set_name("train");
  job.set_priority(5);
  (*job.mutable_labels())["team"] = "blue";
  v1::TaskGroup& group = *job.add_groups();
  group.set_name("worker");
  v1::IndexRange& range = *group.mutable_array()->add_ranges();
  range.set_first(10);
  range.set_last(20);
  range.set_step(5);
  group.set_retries(2);
  group.set_on_partition(v1::ON_PARTITION_KILL);
  v1::TaskTemplate& task = *group.mutable_template_();
  task.mutable_payload()->add_command("true");
  task.mutable_resources()->set_cpu_milli(1500);
  task.mutable_resources()->set_memory_bytes(int64_t{3} << 30);
  task.mutable_resources()->set_storage_bytes(int64_t{1} << 30);
  task.mutable_resources()->set_bandwidth_bits_per_s(10'000'000);
  (*task.mutable_resources()->mutable_extended())["ports"] = 2;
  v1::DeviceRequest& device = *task.add_devices();
  device.set_kind("gpu");
  device.set_count(1);
  device.set_share_milli(250);
  device.set_memory_bytes(int64_t{8} << 30);
  device.add_models("A100");
  (*task.mutable_node_selector())["zone"] = "eu";
  v1::LabelSelector selector;
  const std::tuple<v1::SelectorOperator, std::vector<std::string>> requirements[] = {
      {v1::SELECTOR_OPERATOR_IN, {"a", "b"}}, {v1::SELECTOR_OPERATOR_NOT_IN, {"c"}},
      {v1::SELECTOR_OPERATOR_EXISTS, {}},     {v1::SELECTOR_OPERATOR_DOES_NOT_EXIST, {}},
      {v1::SELECTOR_OPERATOR_GT, {"-9"}},     {v1::SELECTOR_OPERATOR_LT, {"1000"}}};
  for (const auto& [op, values] : requirements) {
    v1::LabelRequirement& requirement = *selector.add_requirements();
    requirement.set_key("key");
    requirement.set_op(op);
    for (const std::string& value : values) requirement.add_values(value);
  }
  *task.mutable_node_affinity()->add_required() = selector;
  v1::PreferredNodes& preferred = *task.mutable_node_affinity()->add_preferred();
  preferred.set_weight(7);
  *preferred.mutable_selector() = selector;
  v1::Term& spread = *task.add_terms();
  spread.set_kind(v1::TERM_KIND_SPREAD);
  spread.set_topology_key("zone");
  spread.set_max_skew(2);
  v1::Term& near = *task.add_terms();
  near.set_kind(v1::TERM_KIND_NEAR);
  near.set_topology_key("rack");
  near.set_preferred(true);
  near.set_weight(2);
  near.set_data("imagenet");
  v1::Term& away = *task.add_terms();
  away.set_kind(v1::TERM_KIND_ANTI_AFFINITY);
  away.set_topology_key("host");
  away.set_preferred(true);
  away.set_weight(7);
  away.add_namespaces("red");
  v1::LabelRequirement& meant = *away.mutable_selector()->add_requirements();
  meant.set_key("app");
  meant.set_op(v1::SELECTOR_OPERATOR_EXISTS);
  v1::Toleration& toleration = *task.add_tolerations();
  toleration.set_key("gpu");
  toleration.set_value("");
  toleration.set_effect(v1::TAINT_EFFECT_NO_EXECUTE);
  task.add_tolerations();
  task.set_time_limit_ms(60'000);
  task.set_max_processes(64);
  return job;
}

std::shared_ptr<const state::JobSpec> Spec(const v1::JobSpec& job = FullSpec()) {
  auto outcome = Admit(job, {});
  EXPECT_TRUE(std::holds_alternative<AdmittedJob>(outcome));
  return std::get<AdmittedJob>(outcome).spec;
}

// What is admitted, without what only the blob has, is what lists show.
TEST(ConvertTest, ASpecificationIsShownAsItWasAdmitted) {
  auto outcome = Admit(FullSpec(), {});
  const auto& admitted = std::get<AdmittedJob>(outcome);
  v1::JobSpec kept;
  ASSERT_TRUE(kept.ParseFromString(*admitted.blob));
  EXPECT_EQ(kept.groups(0).on_partition(), v1::ON_PARTITION_KILL);
  kept.mutable_groups(0)->mutable_template_()->clear_payload();
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(kept, ToProto(*admitted.spec))) << difference;
}

state::JobView View() {
  state::JobView job;
  job.id = JobId{12};
  job.spec = Spec();
  job.submitted_by = "uid:1000";
  job.submitted_unix_ms = 1;
  job.epoch = 9;
  job.counts[static_cast<size_t>(TaskState::kQueued)] = 3;
  return job;
}

TEST(ConvertTest, AJobCountsItsTasks) {
  state::JobView job = View();
  job.counts = {};
  for (size_t state = 1; state < job.counts.size(); ++state) {
    job.counts[state] = static_cast<int64_t>(state);
  }
  const v1::TaskCounts counts = ToProto(job).tasks();
  EXPECT_EQ(counts.total(), 91);
  EXPECT_EQ(counts.bound(), 4 + 5);    // nominated, bound
  EXPECT_EQ(counts.running(), 7 + 8);  // running, suspended
  EXPECT_EQ(counts.held() + counts.queued() + counts.parked() + counts.bound() + counts.starting() +
                counts.running() + counts.stopping() + counts.succeeded() + counts.failed() +
                counts.cancelled() + counts.quarantined(),
            counts.total());
}

TEST(ConvertTest, AJobsStateFollowsItsTasks) {
  state::JobView job = View();
  const auto count = [&job](TaskState state) -> int64_t& {
    return job.counts[static_cast<size_t>(state)];
  };
  EXPECT_EQ(ToProto(job).state(), v1::JOB_STATE_QUEUED);
  count(TaskState::kQueued) = 2;
  count(TaskState::kBound) = 1;
  EXPECT_EQ(ToProto(job).state(), v1::JOB_STATE_RUNNING);
  count(TaskState::kBound) = 0;
  count(TaskState::kQueued) = 0;
  count(TaskState::kSucceeded) = 3;
  job.ended_at_ms = 1;
  EXPECT_EQ(ToProto(job).state(), v1::JOB_STATE_SUCCEEDED);
  count(TaskState::kCancelled) = 1;
  EXPECT_EQ(ToProto(job).state(), v1::JOB_STATE_CANCELLED);
  count(TaskState::kFailed) = 1;
  EXPECT_EQ(ToProto(job).state(), v1::JOB_STATE_FAILED);
}

TEST(ConvertTest, AJobOfWhichATaskCameBackIsStillRunning) {
  state::JobView job = View();
  job.started_unix_ms = 5;
  EXPECT_EQ(ToProto(job).state(), v1::JOB_STATE_RUNNING);
}

state::TaskStatusView TaskOf() {
  state::TaskStatusView task;
  task.job = JobId{12};
  task.spec = Spec();
  task.position = 1;
  task.row.epoch = 8;
  return task;
}

TEST(ConvertTest, ATaskThatWaitsSaysWhyAndHasNoAttempt) {
  state::TaskStatusView task = TaskOf();
  task.row.state = TaskState::kParked;
  task.waits_for = Reason::kNeverFits;
  task.wait_message = "no node has that much memory";
  const v1::Task out = ToProto(task);
  EXPECT_EQ(out.id(), "12.15");
  EXPECT_EQ(out.job_id(), "12");
  EXPECT_EQ(out.group(), "worker");
  EXPECT_EQ(out.index(), 15);
  EXPECT_EQ(out.state(), v1::TASK_STATE_PARKED);
  EXPECT_EQ(out.reason(), v1::REASON_CODE_NEVER_FITS);
  EXPECT_EQ(out.message(), "no node has that much memory");
  EXPECT_FALSE(out.has_attempt());
  EXPECT_EQ(out.attempts(), 0);
  EXPECT_EQ(out.epoch(), 8u);
  EXPECT_EQ(out.resources().memory_bytes(), int64_t{3} << 30);
}

TEST(ConvertTest, ATaskThatEndedHasItsAttempt) {
  state::TaskStatusView task = TaskOf();
  task.row.state = TaskState::kFailed;
  state::AttemptRow& attempt = task.row.attempt;
  attempt.number = 2;
  attempt.node = "n7";
  attempt.end = state::AttemptEnd::kExited;
  attempt.reason = Reason::kExited;
  attempt.message = "exit code 3";
  attempt.exit_code = 3;
  attempt.usage.memory_peak_bytes = 99;
  attempt.device_ids = {"GPU-1"};
  const v1::Task out = ToProto(task);
  EXPECT_EQ(out.reason(), v1::REASON_CODE_EXITED);
  EXPECT_EQ(out.attempt().id(), "12.15#2");
  EXPECT_EQ(out.attempt().number(), 2);
  EXPECT_EQ(out.attempt().end(), v1::ATTEMPT_END_EXITED);
  EXPECT_EQ(out.attempt().exit_code(), 3);
  EXPECT_FALSE(out.attempt().has_signal());
  EXPECT_EQ(out.attempt().usage().memory_peak_bytes(), 99);
  EXPECT_EQ(out.attempt().device_ids(0), "GPU-1");
}

TEST(ConvertTest, AKilledAttemptHasASignalAndNoExitCode) {
  state::TaskStatusView task = TaskOf();
  task.row.attempt.number = 1;
  task.row.attempt.signal = 9;
  const v1::Attempt out = ToProto(task, task.row.attempt);
  EXPECT_FALSE(out.has_exit_code());
  EXPECT_EQ(out.signal(), 9);
}

TEST(ConvertTest, ANodeShowsItsInventoryAndWhatIsTaken) {
  v1::NodeInventory inventory;
  v1::Device& device = *inventory.add_devices();
  device.set_id("GPU-1");
  device.set_kind("gpu");
  device.set_memory_bytes(int64_t{80} << 30);
  device.add_torus_coordinates(3);
  inventory.add_models()->set_name("llama");
  auto spec = std::make_shared<state::NodeSpec>();
  spec->name = "n7";
  spec->capacity.builtin = {4000, 8192, 0, 0};
  spec->labels = {{"zone", "eu"}};
  spec->taints = {{.key = "gpu", .value = "true", .effect = TaintEffect::kNoSchedule}};
  spec->isolation = "cgroup-v1";
  spec->encoded_inventory = std::make_shared<const std::string>(inventory.SerializeAsString());
  state::NodeView node;
  node.spec = spec;
  node.ready = true;
  node.allocated.builtin = {1000, 1024, 0, 0};
  node.devices.resize(1);
  node.devices[0].allocated_milli = 500;
  node.devices[0].allocated_memory_mib = 1024;
  node.tasks = 2;
  const v1::Node out = ToProto(node);
  EXPECT_EQ(out.name(), "n7");
  EXPECT_EQ(out.state(), v1::NODE_STATE_READY);
  EXPECT_EQ(out.capacity().cpu_milli(), 4000);
  EXPECT_EQ(out.allocated().memory_bytes(), int64_t{1} << 30);
  EXPECT_EQ(out.labels().at("zone"), "eu");
  EXPECT_EQ(out.taints(0).effect(), v1::TAINT_EFFECT_NO_SCHEDULE);
  ASSERT_EQ(out.devices_size(), 1);
  EXPECT_EQ(out.devices(0).device().torus_coordinates(0), 3);
  EXPECT_EQ(out.devices(0).allocated_milli(), 500);
  EXPECT_EQ(out.devices(0).allocated_memory_bytes(), int64_t{1} << 30);
  EXPECT_EQ(out.models(0).name(), "llama");
  EXPECT_EQ(out.isolation(), "cgroup-v1");
}

TEST(ConvertTest, AnInventoryThatCannotBeReadIsLeftOut) {
  auto spec = std::make_shared<state::NodeSpec>();
  spec->name = "n7";
  spec->encoded_inventory = std::make_shared<const std::string>("\xff\xff");
  state::NodeView node;
  node.spec = spec;
  EXPECT_EQ(ToProto(node).name(), "n7");
  EXPECT_EQ(ToProto(node).devices_size(), 0);
}

TEST(ConvertTest, AnExplanationOfAPlacedTaskHasItsDecision) {
  scheduler::ExplainReply reply;
  reply.task = TaskOf();
  reply.task.row.state = TaskState::kRunning;
  reply.task.row.attempt.number = 1;
  reply.task.row.attempt.node = "n7";
  auto sheet = std::make_shared<state::ScoreSheet>();
  sheet->profile = "default";
  sheet->plugins = {"NodeResourcesFit", "NodeAffinity"};
  sheet->weights = {2, 1};
  auto decision = std::make_shared<state::Decision>();
  decision->epoch = 5;
  decision->total = 30;
  decision->rank = 3;
  decision->runner_up = "n8";
  decision->runner_up_total = 29;
  decision->nodes_feasible = 4;
  decision->scores = {10, 10};
  decision->sheet = sheet;
  reply.task.row.decision = decision;
  reply.explanation.placeability = pipeline::Placeability::kPlaced;
  reply.explanation.scores = {{.node = "n9", .total = 40, .rank = 1, .plugins = {{"P", 20, 2}}}};
  const v1::Explanation out = ToProto(reply);
  EXPECT_EQ(out.task_id(), "12.15");
  EXPECT_EQ(out.placeability(), v1::PLACEABILITY_PLACED);
  EXPECT_EQ(out.decision().winner().node(), "n7");
  ASSERT_EQ(out.decision().winner().plugins_size(), 2);
  EXPECT_EQ(out.decision().winner().plugins(0).plugin(), "NodeResourcesFit");
  EXPECT_EQ(out.decision().winner().plugins(0).weight(), 2);
  EXPECT_EQ(out.decision().profile(), "default");
  EXPECT_EQ(out.decision().runner_up(), "n8");
  EXPECT_EQ(out.scores_now(0).node(), "n9");
  EXPECT_EQ(out.scores_now(0).plugins(0).score(), 20);
  EXPECT_FALSE(out.has_queue_position());
}

TEST(ConvertTest, AnExplanationOfAWaitingTaskHasFiltersAndSuggestions) {
  scheduler::ExplainReply reply;
  reply.task = TaskOf();
  reply.task.row.state = TaskState::kParked;
  reply.explanation.placeability = pipeline::Placeability::kNeverFits;
  reply.explanation.reason = Reason::kNeverFits;
  reply.explanation.nodes_total = 12;
  reply.explanation.text = "0/12 nodes fit";
  reply.explanation.filters = {{.plugin = "NodeResourcesFit",
                                .reason = Reason::kInsufficientMemory,
                                .nodes = 8,
                                .subject = "memory",
                                .requested = 500,
                                .largest_free = 3,
                                .largest_capacity = 12,
                                .examples = {"n1", "n2"},
                                .text = "8 insufficient memory"}};
  reply.explanation.suggestions = {{.field = "memory",
                                    .value = "12Gi",
                                    .change = "--memory 12Gi",
                                    .node = "n1",
                                    .text = "ask for 12Gi"}};
  reply.queue_position = 7;
  const v1::Explanation out = ToProto(reply);
  EXPECT_EQ(out.placeability(), v1::PLACEABILITY_NEVER_FITS);
  EXPECT_EQ(out.reason(), v1::REASON_CODE_NEVER_FITS);
  EXPECT_EQ(out.nodes_total(), 12);
  EXPECT_EQ(out.filters(0).reason(), v1::REASON_CODE_INSUFFICIENT_MEMORY);
  EXPECT_EQ(out.filters(0).examples_size(), 2);
  EXPECT_EQ(out.filters(0).largest_capacity(), 12);
  EXPECT_EQ(out.suggestions(0).value(), "12Gi");
  EXPECT_EQ(out.queue_position(), 7);
  EXPECT_FALSE(out.has_decision());
}

}  // namespace
}  // namespace berth::api
