// berth admin reconcile: what it asks, what it prints, what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cli/cli_harness.h"
#include "tests/support/fake_job_service.h"

namespace berth::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kStart;

v1::ReconcileResult Attempt(const std::string& job, uint32_t number, const std::string& node,
                            bool job_known) {
  v1::ReconcileResult result;
  result.set_id(job + ".0#" + std::to_string(number));
  v1::QuarantinedAttempt& attempt = *result.mutable_attempt();
  attempt.set_node(node);
  attempt.set_job_id(job);
  attempt.set_task_id(job + ".0");
  attempt.set_attempt(number);
  attempt.set_job_name(job_known ? "train" : "evil\x1b[31m\nname");
  attempt.set_namespace_("default");
  attempt.mutable_resources()->set_cpu_milli(2000);
  attempt.mutable_resources()->set_memory_bytes(int64_t{1} << 30);
  attempt.set_started_unix_ms(kStart - 3'600'000);
  attempt.set_quarantined_unix_ms(kStart + 30'000);
  attempt.set_job_known(job_known);
  return result;
}

v1::ReconcileResult Refused(v1::ReconcileResult result, v1::ReasonCode reason,
                            const std::string& message) {
  result.set_reason(reason);
  result.set_message(message);
  return result;
}

class ReconcileTest : public ::testing::Test {
 protected:
  using CliResult = testing::CliResult;

  CliResult Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"admin", "reconcile"});
    const CliResult result = harness_.Run(arguments);
    transcript_.Add(arguments, result);
    return result;
  }
  // What the next calls are answered with, each of one page; what was asked is in `asked_`.
  void Answer(std::vector<v1::ReconcileResult> results) {
    fake_.OnReconcile([this, results](const v1::ReconcileRequest& request) {
      asked_.push_back(request);
      v1::ReconcileResponse response;
      for (const v1::ReconcileResult& result : results) *response.add_results() = result;
      return response;
    });
  }

  std::vector<v1::ReconcileRequest> asked_;
  testing::FakeJobService fake_;
  testing::CliHarness harness_{fake_.address()};
  testing::Transcript transcript_{{{fake_.address(), "unix:SOCKET"}}};
};

class GoldenReconcileTest : public ReconcileTest {};

TEST_F(GoldenReconcileTest, ListsAdoptsKillsAndRefuses) {
  Run({});
  Run({"--kill", "--all"});
  v1::ReconcileResult shared = Attempt("12", 3, "gpu-1", true);
  shared.mutable_attempt()->add_device_ids("GPU-0");
  shared.mutable_attempt()->set_device_share_milli(500);
  Answer({shared, Attempt("7", 1, "node-a", false)});
  Run({});
  Run({"-o", "wide"});
  Run({"-o", "json"});
  Run({"-o", "name"});
  Run({"-q"});
  v1::ReconcileResult missing;
  missing.set_id("9");
  missing = Refused(missing, v1::REASON_CODE_NOT_FOUND,
                    "9: nothing of it is in quarantine; see 'berth admin reconcile' for what is");
  Answer({missing, Attempt("12", 3, "gpu-1", true)});
  Run({"9", "12"});
  Run({"--kill", "9", "12"});
  Answer({Attempt("12", 3, "gpu-1", true),
          Refused(Attempt("7", 1, "node-a", false), v1::REASON_CODE_JOB_UNKNOWN,
                  "7.0#1 on node \"node-a\": job 7 is not known here")});
  Run({"--adopt"});
  Run({"--adopt", "-o", "json"});
  Run({"--adopt", "-q"});
  v1::ReconcileResult away = Attempt("7", 1, "node-a", false);
  away.set_message("7.0#1: node \"node-a\" is not connected; it is told when that is back");
  Answer({away});
  Run({"--kill", "--node", "node-a"});
  Run({"--kill"});
  Run({"--kill", "--adopt", "7"});
  Run({"--kill", "--all", "7"});
  Run({"--kill", "seven"});
  Run({"--kil", "7"});
  fake_.FailNext("Reconcile", grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                                           "attempts in quarantine: uid:5 may not list, kill or "
                                           "adopt them; operators may"));
  Run({});
  Run({"--help"});
  const std::string actual = transcript_.text();
  EXPECT_EQ(actual, testing::Golden("reconcile", actual));
}

TEST_F(ReconcileTest, AsksForWhatIsNamed) {
  Answer({});
  Run({"--kill", "7,9", "12.3#2", "--node", "node/n1"});
  Run({"--adopt"});
  Run({"--kill", "--all"});
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_EQ(asked_[0].action(), v1::RECONCILE_ACTION_KILL);
  EXPECT_EQ(asked_[0].node(), "n1");
  EXPECT_THAT(asked_[0].ids(), ElementsAre("7", "9", "12.3#2"));
  EXPECT_FALSE(asked_[0].all());
  EXPECT_EQ(asked_[1].action(), v1::RECONCILE_ACTION_ADOPT);
  EXPECT_TRUE(asked_[2].all());
}

TEST_F(ReconcileTest, AllPagesAreDone) {
  fake_.OnReconcile([](const v1::ReconcileRequest& request) {
    v1::ReconcileResponse response;
    const bool is_first = request.page_token().empty();
    *response.add_results() = Attempt(is_first ? "7" : "8", 1, "n1", false);
    if (is_first) response.set_next_page_token("more");
    return response;
  });
  const CliResult result = Run({"--kill", "--all"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("7.0#1 on node n1"));
  EXPECT_THAT(result.out, HasSubstr("8.0#1 on node n1"));
}

TEST_F(ReconcileTest, NodesSayHowManyTheyHave) {
  v1::Node node;
  node.set_name("n1");
  node.set_quarantined_attempts(2);
  fake_.Put(node);
  EXPECT_THAT(harness_.Run({"describe", "node", "n1"}).out,
              HasSubstr("2 attempts; see 'berth admin reconcile --node n1'"));
}

}  // namespace
}  // namespace berth::cli
