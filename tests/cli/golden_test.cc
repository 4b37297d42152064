// What each command prints, compared with tests/cli/golden.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cli/cli_harness.h"
#include "tests/support/fake_job_service.h"

namespace berth::cli {
namespace {

using testing::kStart;
class GoldenTest : public ::testing::Test {
 protected:
  void Run(const std::vector<std::string>& arguments) {
    transcript_.Add(arguments, harness_.Run(arguments));
  }

  void ExpectGolden(const std::string& name) {
    const std::string actual = transcript_.text();
    EXPECT_EQ(actual, testing::Golden(name, actual));
  }

  // An array, a failed job and one that waits; three nodes, one with GPUs.
  void FillCluster() {
    v1::Job squares;
    squares.set_id("1");
    squares.mutable_spec()->set_name("square.sh");
    squares.mutable_spec()->set_namespace_("default");
    squares.mutable_spec()->set_queue("default");
    squares.mutable_spec()->set_profile("default");
    v1::TaskGroup& group = *squares.mutable_spec()->add_groups();
    v1::IndexRange& range = *group.mutable_array()->add_ranges();
    range.set_last(99);
    v1::TaskTemplate& task_template = *group.mutable_template_();
    task_template.mutable_payload()->add_command("./square.sh");
    task_template.mutable_payload()->add_command("it's");
    task_template.mutable_payload()->set_working_directory("/home/ada");
    task_template.mutable_resources()->set_cpu_milli(500);
    task_template.mutable_resources()->set_memory_bytes(int64_t{1} << 30);
    task_template.mutable_devices()->Add()->set_kind("gpu");
    task_template.mutable_devices(0)->set_count(1);
    task_template.set_grace_ms(30'000);
    squares.set_state(v1::JOB_STATE_RUNNING);
    squares.mutable_tasks()->set_total(100);
    squares.mutable_tasks()->set_succeeded(97);
    squares.mutable_tasks()->set_failed(1);
    squares.mutable_tasks()->set_running(2);
    squares.set_submitted_by("uid:1000");
    squares.set_submitted_unix_ms(kStart);
    squares.set_started_unix_ms(kStart + 10);
    fake_.Put(squares);
    v1::Job evil = squares;
    evil.set_id("2");
    evil.mutable_spec()->set_name("evil\x1b[31m\nname");
    evil.mutable_spec()->set_priority(-5);
    evil.mutable_spec()->mutable_groups(0)->clear_array();
    evil.set_state(v1::JOB_STATE_FAILED);
    evil.mutable_tasks()->Clear();
    evil.mutable_tasks()->set_total(1);
    evil.mutable_tasks()->set_failed(1);
    evil.set_exit_code(137);
    evil.set_ended_unix_ms(kStart + 60'000);
    fake_.Put(evil);
    v1::Job waiting = evil;
    waiting.set_id("3");
    waiting.mutable_spec()->set_name("train");
    waiting.set_state(v1::JOB_STATE_QUEUED);
    waiting.mutable_tasks()->Clear();
    waiting.mutable_tasks()->set_total(1);
    waiting.mutable_tasks()->set_parked(1);
    waiting.clear_ended_unix_ms();
    waiting.clear_started_unix_ms();
    waiting.clear_exit_code();
    fake_.Put(waiting);

    v1::Task killed;
    killed.set_id("2.0");
    killed.set_job_id("2");
    killed.set_job_name("evil\x1b[31m\nname");
    killed.set_namespace_("default");
    killed.set_state(v1::TASK_STATE_FAILED);
    killed.set_reason(v1::REASON_CODE_OUT_OF_MEMORY);
    killed.set_attempts(2);
    killed.set_submitted_unix_ms(kStart);
    killed.mutable_resources()->set_cpu_milli(500);
    killed.mutable_resources()->set_memory_bytes(int64_t{32} << 20);
    v1::Attempt& attempt = *killed.mutable_attempt();
    attempt.set_id("2.0#2");
    attempt.set_number(2);
    attempt.set_node("node-b");
    attempt.set_end(v1::ATTEMPT_END_OUT_OF_MEMORY);
    attempt.set_reason(v1::REASON_CODE_OUT_OF_MEMORY);
    attempt.set_message("killed at its limit of 32Mi");
    attempt.set_signal(9);
    attempt.set_isolation("cgroup-v1");
    attempt.mutable_usage()->set_memory_peak_bytes(int64_t{32} << 20);
    attempt.mutable_usage()->set_cpu_time_ms(1500);
    attempt.set_started_unix_ms(kStart + 10'000);
    attempt.set_ended_unix_ms(kStart + 60'000);
    fake_.Put(killed);
    v1::Task parked;
    parked.set_id("3.0");
    parked.set_job_id("3");
    parked.set_job_name("train");
    parked.set_state(v1::TASK_STATE_PARKED);
    parked.set_reason(v1::REASON_CODE_NO_NODE_FITS_NOW);
    parked.set_message("0/3 nodes fit");
    parked.set_submitted_unix_ms(kStart);
    fake_.Put(parked);
    for (const int index : {7, 8}) {
      v1::Task running;
      running.set_id("1." + std::to_string(index));
      running.set_job_id("1");
      running.set_job_name("square.sh");
      running.set_index(index);
      running.set_state(v1::TASK_STATE_RUNNING);
      running.set_attempts(1);
      running.set_submitted_unix_ms(kStart);
      running.mutable_attempt()->set_id(running.id() + "#1");
      running.mutable_attempt()->set_number(1);
      running.mutable_attempt()->set_node("node-a");
      running.mutable_attempt()->set_started_unix_ms(kStart + 80'000);
      fake_.Put(running);
    }

    for (const std::string name : {"gpu-1", "node-a", "node-b"}) {
      v1::Node node;
      node.set_name(name);
      node.set_state(name == "node-b" ? v1::NODE_STATE_NOT_READY : v1::NODE_STATE_READY);
      node.set_cordoned(name == "node-a");
      node.mutable_capacity()->set_cpu_milli(8000);
      node.mutable_capacity()->set_memory_bytes(int64_t{12} << 30);
      node.mutable_allocated()->set_cpu_milli(1000);
      node.mutable_allocated()->set_memory_bytes(int64_t{2} << 30);
      node.set_tasks(name == "node-a" ? 2 : 0);
      node.set_agent_version("0.1.0");
      node.set_isolation("cgroup-v1");
      node.set_registered_unix_ms(kStart - 3'600'000);
      (*node.mutable_labels())["zone"] = "a";
      if (name == "gpu-1") {
        v1::Taint& taint = *node.add_taints();
        taint.set_key("gpu");
        taint.set_value("true");
        taint.set_effect(v1::TAINT_EFFECT_NO_SCHEDULE);
        for (const int i : {0, 1}) {
          v1::DeviceStatus& status = *node.add_devices();
          status.mutable_device()->set_id("GPU-" + std::to_string(i));
          status.mutable_device()->set_kind("gpu");
          status.mutable_device()->set_model("A100");
          status.mutable_device()->set_memory_bytes(int64_t{80} << 30);
          status.mutable_device()->set_unhealthy(i == 1);
          status.mutable_device()->set_unhealthy_reason(i == 1 ? "XID 79" : "");
          status.set_allocated_milli(500 * i);
        }
      }
      fake_.Put(node);
    }
  }

  testing::FakeJobService fake_;
  testing::CliHarness harness_{fake_.address()};
  testing::Transcript transcript_{{{fake_.address(), "unix:SOCKET"}}};
};

TEST_F(GoldenTest, GetJobs) {
  FillCluster();
  Run({"get", "jobs"});
  Run({"get", "jobs", "-o", "wide"});
  Run({"get", "jobs", "-o", "name"});
  Run({"get", "jobs", "-q"});
  Run({"get", "jobs", "--state", "failed,queued"});
  Run({"get", "jobs", "--no-headers", "2-3"});
  Run({"get", "job", "last", "-o", "yaml"});
  Run({"get", "job/2", "-o", "json"});
  Run({"get", "jobs", "--state", "runing"});
  Run({"get", "jobs", "99"});
  Run({"get", "jobs", "99", "-o", "json"});
  ExpectGolden("get_jobs");
}

TEST_F(GoldenTest, GetTasks) {
  FillCluster();
  Run({"get", "tasks"});
  Run({"get", "tasks", "-o", "wide"});
  Run({"get", "tasks", "--job", "1", "-o", "json"});
  Run({"get", "tasks", "2.0", "1", "-o", "name"});
  Run({"get", "tasks", "--state", "parked"});
  Run({"get", "tasks", "--job", "99"});
  Run({"get", "tasks", "--job", "1.7"});
  ExpectGolden("get_tasks");
}

TEST_F(GoldenTest, GetNodes) {
  FillCluster();
  Run({"get", "nodes"});
  Run({"get", "nodes", "-o", "wide"});
  Run({"get", "nodes", "gpu-1", "-o", "yaml"});
  Run({"get", "nodes", "--state", "cordoned", "-q"});
  Run({"get", "node", "nowhere"});
  Run({"get", "nodes", "--job", "1"});
  Run({"get", "noddes"});
  Run({"get"});
  ExpectGolden("get_nodes");
}

TEST_F(GoldenTest, Describe) {
  setenv("TZ", "UTC", 1);
  FillCluster();
  Run({"describe", "1"});
  Run({"describe", "2"});
  Run({"describe", "task", "1.7"});
  Run({"describe", "node", "gpu-1"});
  Run({"describe", "node/node-b", "node/nowhere"});
  Run({"describe", "2", "-o", "json"});
  Run({"describe", "node/gpu-1", "node/node-b", "-o", "json"});
  Run({"describe", "node/gpu-1", "3", "-o", "yaml"});
  Run({"describe", "node/gpu-1", "node/nowhere", "-o", "yaml"});
  Run({"describe", "node/gpu-1", "99"});
  Run({"describe", "1", "-q"});
  Run({"describe", "1", "-o", "name"});
  Run({"describe"});
  ExpectGolden("describe");
}

TEST_F(GoldenTest, Explain) {
  FillCluster();
  v1::Explanation explanation;
  explanation.set_task_id("3.0");
  explanation.set_state(v1::TASK_STATE_PARKED);
  explanation.set_placeability(v1::PLACEABILITY_FITS_LATER);
  explanation.set_reason(v1::REASON_CODE_NO_NODE_FITS_NOW);
  explanation.set_nodes_total(12);
  explanation.set_text(
      "0/12 nodes fit: 8 insufficient memory (largest free 3.2Gi), 4 tainted gpu=true");
  explanation.set_queue_position(2);
  v1::FilterOutcome& memory = *explanation.add_filters();
  memory.set_plugin("NodeResourcesFit");
  memory.set_reason(v1::REASON_CODE_INSUFFICIENT_MEMORY);
  memory.set_nodes(8);
  memory.set_subject("memory");
  memory.set_requested(int64_t{8} << 30);
  memory.set_largest_free(int64_t{3277} << 20);
  memory.set_largest_capacity(int64_t{12} << 30);
  memory.add_examples("node-a");
  memory.add_examples("node-b");
  v1::FilterOutcome& taint = *explanation.add_filters();
  taint.set_plugin("TaintToleration");
  taint.set_reason(v1::REASON_CODE_UNTOLERATED_TAINT);
  taint.set_nodes(4);
  taint.set_subject("gpu=true");
  v1::Suggestion& suggestion = *explanation.add_suggestions();
  suggestion.set_field("memory");
  suggestion.set_value("3.2Gi");
  fake_.SetExplanation(explanation);
  Run({"explain", "3"});
  Run({"explain", "last", "-q"});
  Run({"explain", "3", "-o", "json"});

  v1::Explanation placed;
  placed.set_task_id("1.7");
  placed.set_state(v1::TASK_STATE_RUNNING);
  placed.set_placeability(v1::PLACEABILITY_PLACED);
  placed.set_text("runs on node-a since epoch 41");
  placed.set_as_of_epoch(50);
  placed.mutable_decision()->set_epoch(41);
  placed.mutable_decision()->set_profile("default");
  placed.mutable_decision()->set_nodes_feasible(3);
  placed.mutable_decision()->set_runner_up("node-b");
  placed.mutable_decision()->set_runner_up_total(1'900'000);
  for (const std::string name : {"node-a", "node-b"}) {
    v1::NodeScore& score =
        name == "node-a" ? *placed.mutable_decision()->mutable_winner() : *placed.add_scores_now();
    score.set_node(name);
    score.set_total(2'000'000);
    v1::PluginScore& fit = *score.add_plugins();
    fit.set_plugin("NodeResourcesFit");
    fit.set_score(800'000);
    fit.set_weight(2);
    v1::PluginScore& balance = *score.add_plugins();
    balance.set_plugin("BalancedAllocation");
    balance.set_score(400'000);
    balance.set_weight(1);
    v1::PluginScore& spread = *score.add_plugins();
    spread.set_plugin("TopologySpread");
    spread.set_weight(2);
  }
  fake_.SetExplanation(placed);
  Run({"explain", "1.7", "--top", "2"});
  Run({"explain", "1.7", "--top", "51"});
  Run({"explain", "1.7", "-o", "name"});
  Run({"wait", "1", "-o", "name"});
  Run({"logs", "1", "-o", "name"});
  Run({"explain"});
  ExpectGolden("explain");
}

TEST_F(GoldenTest, LogsOfOneTaskAndOfSeveral) {
  FillCluster();
  fake_.Append("1.7#1", v1::OUTPUT_STREAM_STDOUT, "49\n");
  fake_.Append("1.7#1", v1::OUTPUT_STREAM_STDERR, "a warning\n");
  fake_.Append("1.8#1", v1::OUTPUT_STREAM_STDOUT, "64 without a line break");
  for (const char* attempt : {"1.7#1", "1.8#1"}) fake_.Close(attempt);
  Run({"logs", "1.7"});
  Run({"logs", "1.7", "--stdout"});
  Run({"logs", "1.7#1", "--stderr"});
  Run({"logs", "1"});
  Run({"logs", "1.7", "-o", "json"});
  Run({"logs", "3"});
  Run({"logs", "1.99"});
  Run({"logs", "1.7", "--stdout", "--stderr"});
  Run({"logs", "1.7", "--tail", "lots"});
  Run({"logs"});
  ExpectGolden("logs");
}

TEST_F(GoldenTest, CancelCordonVersion) {
  FillCluster();
  Run({"cancel", "1", "2", "99"});
  Run({"cancel", "1", "-q"});
  Run({"cancel", "1", "-o", "json"});
  Run({"cancel", "1.7#1"});
  Run({"cancel"});
  Run({"cordon", "node-b"});
  Run({"uncordon", "node/node-b"});
  Run({"cordon", "nowhere"});
  Run({"version"});
  Run({"version", "--client"});
  Run({"version", "-o", "json"});
  Run({"completion", "words"});
  Run({"completion", "zsh"});
  ExpectGolden("cancel_cordon_version");
}

TEST_F(GoldenTest, SubmitPrintsWhatItDid) {
  Run({"submit", "--array", "0-99", "--", "./square.sh"});
  Run({"submit", "-q", "--", "true"});
  Run({"submit", "-o", "name", "--", "true"});
  Run({"submit", "-o", "json", "--", "true"});
  fake_.OnSubmit([](const v1::SubmitJobRequest&, v1::SubmitJobResponse& response) {
    response.add_defaults_applied("cpu=1");
    response.add_defaults_applied("memory=1Gi");
  });
  Run({"submit", "-o", "wide", "--", "true"});
  fake_.OnSubmit([](const v1::SubmitJobRequest&, v1::SubmitJobResponse& response) {
    response.set_placeability(v1::PLACEABILITY_NEVER_FITS);
    response.add_warnings("cannot ever fit: 2 nodes, largest 12Gi; try --memory 12Gi");
    response.add_warnings("another thing to know");
  });
  Run({"submit", "--memory", "500Gi", "--", "true"});
  ExpectGolden("submit");
}

TEST_F(GoldenTest, WrongUseNamesTheThing) {
  Run({});
  Run({"sumbit", "--", "true"});
  Run({"--nope"});
  Run({"submit", "--memroy", "1Gi", "--", "true"});
  Run({"run", "python3", "x.py"});
  Run({"run", "--cpu"});
  Run({"run", "--cpu", "1", "--cpu", "2", "--", "true"});
  Run({"run"});
  Run({"submit"});
  Run({"submit", "--"});
  Run({"submit", "--", ""});
  Run({"submit", "--array", "", "--", "true"});
  Run({"submit", "--array=", "--", "true"});
  Run({"submit", "--memory", "2", "--", "true"});
  Run({"submit", "--memory", "0", "--", "true"});
  Run({"submit", "--memory=-1Gi", "--", "true"});
  Run({"submit", "--cpu", "99999999999999999999", "--", "true"});
  Run({"submit", "--gpus", "0", "--", "true"});
  Run({"submit", "--gpus", "A100:2147483648", "--", "true"});
  Run({"submit", "--gpus", "2", "--gpu-share", "0.5", "--", "true"});
  Run({"submit", "--tpus", "2x0", "--", "true"});
  Run({"submit", "--tpus", "2x2x2x2", "--", "true"});
  Run({"submit", "--tpus", "255x255", "--", "true"});
  Run({"submit", "--retries=-1", "--", "true"});
  Run({"submit", "--on-partition", "stop", "--", "true"});
  Run({"submit", "--priority", "1001", "--", "true"});
  Run({"submit", "--max-processes", "0", "--", "true"});
  Run({"submit", "--time-limit", "5", "--", "true"});
  Run({"submit", "--grace", "2h", "--", "true"});
  Run({"submit", "--array", "0-2147483648", "--", "true"});
  Run({"submit", "--array", "5-4", "--", "true"});
  Run({"submit", "--workdir", "here", "--", "true"});
  Run({"submit", "--label", "novalue", "--", "true"});
  Run({"submit", "--env", "NOT_SET_ANYWHERE", "--", "true"});
  Run({"submit", "--tolerate", "gpu:NoSchedul", "--", "true"});
  Run({"submit", "job.yaml", "--cpu", "2"});
  Run({"submit", "job.yaml", "--", "true"});
  Run({"submit", "/no/such/job.yaml"});
  Run({"submit", "a.yaml", "b.yaml"});
  Run({"submit", "--name", "a\xff", "--", "true"});
  Run({"get", "jobs", "--", "true"});
  Run({"get", "jobs", "-o", "jsno"});
  Run({"get", "jobs", "--request-timeout", "5"});
  Run({"get", "jobs", "--server", "nonsense"});
  Run({"get", "jobs", "--server", "http://127.0.0.1:1"});
  Run({"get", "jobs", "--server", "unix:relative"});
  Run({"get", "jobs", "--server", "127.0.0.1:99999"});
  Run({"get", "jobs", "--server", "unix:/no/such/berthd.sock"});
  Run({"run", "--server", "unix:/no/such/berthd.sock", "--", "true"});
  Run({"run", "--server", "unix:/no/such/berthd.sock", "-o", "json", "--", "true"});
  Run({"wait", "nonsense"});
  Run({"wait"});
  ExpectGolden("wrong_use");
}

}  // namespace
}  // namespace berth::cli
