// Task features in the loop: hints come with a job or later, and people say what they think of it.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

std::shared_ptr<const std::string> Bytes(const std::string& text) {
  return std::make_shared<const std::string>(text);
}

state::SubmitJob SubmitOf(const TurnHarness::Job& job) {
  state::SubmitJob submit;
  submit.spec = TurnHarness::SpecOf(job);
  submit.blob = Bytes("content");
  submit.body_hash = job.body_hash;
  return submit;
}

class FeaturesTest : public ::testing::Test {
 protected:
  FeaturesTest() { loop_.Ask(TurnHarness::Hello("n", loop_.next_stream++, 64'000, 1 << 18)); }

  JobId Submit(const state::GroupHints& hints, int32_t cpu_milli = 1000) {
    state::SubmitJob submit = SubmitOf({.cpu_milli = cpu_milli});
    submit.features = {{.hints = hints, .record = Bytes("record")}};
    return loop_.Get<SubmitReply>(std::move(submit)).job;
  }
  const TaskRequirements& NeedsOf(JobId job) {
    return loop_.turn().state().requirements().Get(
        loop_.turn().state().FindJob(job)->groups[0].shape);
  }
  int32_t Bound(ComputationClass bound_by) {
    return loop_.turn().state().nodes().class_tasks(bound_by)[0];
  }
  template <typename Change>
  std::vector<Change> Changes() {
    std::vector<Change> found;
    for (const auto& batch : loop_.batches) {
      for (const state::Change& change : batch->changes) {
        if (const auto* one = std::get_if<Change>(&change)) found.push_back(*one);
      }
    }
    return found;
  }

  TurnHarness loop_;
};

TEST_F(FeaturesTest, HintsOfASubmissionArePartOfItsShapeAndAreKept) {
  const state::GroupHints hints{
      .bound_by = ComputationClass::kIoBound, .data = {{{"d"}, 1}}, .expected_ms = 5000};
  const JobId job = Submit(hints);
  EXPECT_EQ(NeedsOf(job).bound_by, ComputationClass::kIoBound);
  EXPECT_TRUE(NeedsOf(job).has_data);
  EXPECT_EQ(Bound(ComputationClass::kIoBound), 1) << "it was placed";
  const auto kept = Changes<state::HintsChange>();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].hints, hints);
  const auto records = Changes<state::FeaturesChange>();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].part, state::FeaturePart::kAdmission);
  EXPECT_EQ(*records[0].record, "record");
}

TEST_F(FeaturesTest, AJobWithoutHintsIsAsEver) {
  const JobId job = Submit({});
  EXPECT_EQ(NeedsOf(job).bound_by, std::nullopt);
  EXPECT_TRUE(Changes<state::HintsChange>().empty());
}

TEST_F(FeaturesTest, LaterHintsMoveWhatWaitsAndWhatRuns) {
  const JobId running = Submit({.bound_by = ComputationClass::kCpuBound});
  const JobId waiting = Submit({}, /*cpu_milli=*/640'000);
  for (const JobId job : {running, waiting}) {
    state::SetFeatures set{
        .job = job, .group = 0, .part = state::FeaturePart::kModel, .record = Bytes("model")};
    set.hints = state::GroupHints{.bound_by = ComputationClass::kMemoryBound};
    EXPECT_TRUE(loop_.Ask(std::move(set)).status.ok());
    EXPECT_EQ(NeedsOf(job).bound_by, ComputationClass::kMemoryBound);
  }
  EXPECT_EQ(Bound(ComputationClass::kCpuBound), 0);
  EXPECT_EQ(Bound(ComputationClass::kMemoryBound), 1);
  EXPECT_TRUE(loop_.Ask(state::Cancel{.objects = {{.job = waiting}}}).status.ok());
}

TEST_F(FeaturesTest, ExpectedTimesOrderTheQueue) {
  TurnHarness loop({}, [](PluginRegistry&) {},
                   {.name = "default", .queue_sort = "ShortestJobFirst"});
  const auto submit = [&](int64_t expected_ms) {
    state::SubmitJob job = SubmitOf({.cpu_milli = 1000});
    job.features = {{.hints = {.expected_ms = expected_ms}, .record = nullptr}};
    return loop.Get<SubmitReply>(std::move(job)).job;
  };
  submit(60'000);
  const JobId quick = submit(1000);
  const auto plain = loop.Get<ExplainReply>(state::Explain{{.job = quick}});
  EXPECT_EQ(plain.queue_position, 0);
  // It turns out that it takes longer than the other.
  state::SetFeatures set{
      .job = quick, .group = 0, .part = state::FeaturePart::kModel, .record = {}};
  set.hints = state::GroupHints{.expected_ms = 600'000};
  EXPECT_TRUE(loop.Ask(std::move(set)).status.ok());
  EXPECT_EQ(loop.Get<ExplainReply>(state::Explain{{.job = quick}}).queue_position, 1);
}

TEST_F(FeaturesTest, OnlyOperatorsCorrectAndOnlyOwnersRate) {
  const state::Principal ada = User("uid:1000", {"default"});
  const state::Principal bob = User("uid:1001", {"default"});
  Reply submitted = loop_.Ask(SubmitOf({}), ada);
  const JobId job = std::get<SubmitReply>(submitted.body).job;
  const auto set = [&](state::FeaturePart part, const state::Principal& who) {
    return loop_
        .Ask(state::SetFeatures{.job = job, .group = 0, .part = part, .record = Bytes("x")}, who)
        .status;
  };
  EXPECT_TRUE(absl::IsPermissionDenied(set(state::FeaturePart::kCorrection, ada)));
  EXPECT_TRUE(set(state::FeaturePart::kCorrection, Operator()).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(set(state::FeaturePart::kRating, bob)));
  EXPECT_TRUE(set(state::FeaturePart::kRating, ada).ok());
  EXPECT_TRUE(absl::IsNotFound(loop_
                                   .Ask(state::SetFeatures{.job = job,
                                                           .group = 0,
                                                           .part = state::FeaturePart::kRating,
                                                           .record = Bytes("x")},
                                        User("uid:1002", {"elsewhere"}))
                                   .status));
  EXPECT_EQ(Changes<state::FeaturesChange>().size(), 2u);
}

TEST_F(FeaturesTest, WhatWasLearnedIsKeptAsItIs) {
  EXPECT_TRUE(
      loop_.Ask(state::KeepFeatureState{{{"group/1", Bytes("bytes")}, {"group/2", nullptr}}})
          .status.ok());
  const auto kept = Changes<state::FeatureStateChange>();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].name, "group/1");
  EXPECT_EQ(*kept[0].content, "bytes");
  EXPECT_EQ(kept[1].content, nullptr);
}

TEST_F(FeaturesTest, PlansGoByHintsToo) {
  state::PlanJob plan{.spec = TurnHarness::SpecOf({.cpu_milli = 1000}), .top = 1};
  plan.features = {{.hints = {.bound_by = ComputationClass::kCpuBound}, .record = nullptr}};
  const auto reply = loop_.Get<PlanReply>(std::move(plan));
  ASSERT_EQ(reply.tasks.size(), 1u);
  const state::Decision& decision = *reply.tasks[0].decision;
  for (size_t i = 0; i < decision.sheet->plugins.size(); ++i) {
    if (decision.sheet->plugins[i] != "TaskInterference") continue;
    EXPECT_EQ(decision.scores[i], kMaxScore);
  }
  EXPECT_EQ(Bound(ComputationClass::kCpuBound), 0) << "nothing is changed by a plan";
}

}  // namespace
}  // namespace berth::scheduler
