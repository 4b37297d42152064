// Licences and the like: given out, given back, waited for, changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/recovered_state.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::HasSubstr;

class ClusterResourcesTest : public ::testing::Test {
 protected:
  ClusterResourcesTest() : harness_({}, StateWith(2)) { stream_ = harness_.Connect("n0"); }

  static std::vector<state::SharedResourceSpec> Licences(int32_t capacity) {
    return {{.name = "matlab", .topology_key = "", .capacity = capacity}};
  }
  static std::unique_ptr<state::ClusterState> StateWith(int32_t licences) {
    auto state = std::make_unique<state::ClusterState>(
        state::ClusterMeta{.cluster_id = "cluster-a", .seed = 1}, 10'000);
    state->nodes().SetSharedResources(Licences(licences));
    return state;
  }
  JobId Submit(int32_t licences, uint32_t tasks = 1) {
    return harness_.SubmitOk(
        {.tasks = tasks, .cpu_milli = 100, .extended = {{"matlab", licences}}});
  }
  int64_t Bound(JobId job) {
    return harness_.JobOf(job).counts[static_cast<size_t>(state::TaskState::kBound)];
  }
  void SetLicences(int32_t capacity) {
    TurnInput input;
    input.now_ms = harness_.now_ms;
    input.work_units = harness_.work_units;
    input.profile_changes.push_back({.principal = Operator(),
                                     .profiles = {pipeline::ProfileOptions{}},
                                     .shared_resources = Licences(capacity)});
    const TurnOutput output = harness_.turn().Run(std::move(input));
    ASSERT_TRUE(output.profile_answers.at(0).ok()) << output.profile_answers.at(0);
    harness_.Run();
  }

  TurnHarness harness_;
  uint64_t stream_ = 0;
};

TEST_F(ClusterResourcesTest, NoMoreTasksRunThanThereAreLicences) {
  const JobId job = Submit(1, /*tasks=*/5);
  EXPECT_EQ(Bound(job), 2);
  const Reply reply =
      harness_.Ask(state::Explain{.object = {.job = job, .has_task = true, .index = 4}});
  ASSERT_TRUE(reply.status.ok()) << reply.status;
  EXPECT_THAT(std::get<ExplainReply>(reply.body).explanation.text,
              HasSubstr("with insufficient matlab in the cluster (largest free 0)"));
}

TEST_F(ClusterResourcesTest, WhoeverWaitsGetsWhatIsGivenBack) {
  const JobId first = Submit(2);
  const JobId second = Submit(1);
  EXPECT_EQ(harness_.StateOf(first), state::TaskState::kBound);
  EXPECT_EQ(harness_.StateOf(second), state::TaskState::kParked);
  // Others pass: they ask for none.
  EXPECT_EQ(harness_.StateOf(harness_.SubmitOk({.cpu_milli = 100})), state::TaskState::kBound);
  harness_.ReportExit(stream_, harness_.TakeStart(stream_), 0);
  EXPECT_EQ(harness_.StateOf(second), state::TaskState::kBound);
}

TEST_F(ClusterResourcesTest, MoreLicencesWakeWhoeverWaits) {
  const JobId job = Submit(1, /*tasks=*/5);
  SetLicences(4);
  EXPECT_EQ(Bound(job), 4);
  SetLicences(1);
  EXPECT_EQ(Bound(job), 4) << "what runs stays";
}

TEST_F(ClusterResourcesTest, WhatIsTakenIsKnownAfterARestart) {
  Submit(2);
  const auto after = berth::testing::Recovered(harness_.turn().state(), /*restored=*/false);
  const state::SharedResource& matlab = after->nodes().shared_resources()[0];
  EXPECT_EQ(matlab.name, "matlab");
  EXPECT_EQ(after->nodes().count_in_all(matlab.counter), 2);
}

TEST_F(ClusterResourcesTest, LessIsSuggestedWhereItWouldDo) {
  Submit(1);
  const JobId waits = Submit(2);
  const Reply reply = harness_.Ask(state::Explain{.object = {.job = waits}});
  ASSERT_TRUE(reply.status.ok()) << reply.status;
  const auto& suggestions = std::get<ExplainReply>(reply.body).explanation.suggestions;
  ASSERT_FALSE(suggestions.empty());
  EXPECT_EQ(suggestions[0].text, "with matlab 1 it fits n0 now");
  EXPECT_EQ(harness_.StateOf(Submit(1)), state::TaskState::kBound) << "as it was told";
}

TEST_F(ClusterResourcesTest, MoreThanThereEverIsNeverFits) {
  const Reply reply = harness_.Submit({.cpu_milli = 100, .extended = {{"matlab", 3}}});
  ASSERT_TRUE(reply.status.ok()) << reply.status;
  EXPECT_EQ(std::get<SubmitReply>(reply.body).placeability, pipeline::Placeability::kNeverFits);
}

TEST_F(ClusterResourcesTest, WhatNobodyHasIsRefused) {
  const Reply reply = harness_.Submit({.extended = {{"maple", 1}}});
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(reply.status.message()),
              HasSubstr("resource \"maple\": no node of this cluster has it, nor the cluster"));
}

}  // namespace
}  // namespace berth::scheduler
