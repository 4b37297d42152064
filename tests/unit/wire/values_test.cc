#include "wire/values.h"

#include <gtest/gtest.h>

namespace berth::wire {
namespace {

TEST(ValuesTest, TaintsGoThereAndBack) {
  for (const TaintEffect effect :
       {TaintEffect::kNoSchedule, TaintEffect::kPreferNoSchedule, TaintEffect::kNoExecute}) {
    const state::TaintSpec taint = {.key = "gpu", .value = "true", .effect = effect};
    Violations violations;
    EXPECT_EQ(ReadTaint(ToProto(taint), FieldPath::Root(), violations), taint);
    EXPECT_TRUE(violations.empty());
  }
  EXPECT_EQ(ToProto({.key = "k", .value = "", .effect = TaintEffect::kNoSchedule}).effect(),
            v1::TAINT_EFFECT_NO_SCHEDULE);
}

TEST(ValuesTest, ATaintNeedsAKeyAndAnEffectThatIsKnown) {
  Violations violations;
  v1::Taint taint;
  taint.set_effect(static_cast<v1::TaintEffect>(9));
  ReadTaint(taint, FieldPath("taints"), violations);
  ASSERT_EQ(violations.list().size(), 2u);
  EXPECT_EQ(violations.list()[0].field, "taints.key");
  EXPECT_EQ(violations.list()[1].field, "taints.effect");
}

TEST(ValuesTest, NegativeUsageCountsAsNone) {
  v1::Usage usage;
  usage.set_cpu_time_ms(-5);
  usage.set_memory_bytes(7);
  EXPECT_EQ(FromProto(usage), (state::Usage{.cpu_time_ms = 0, .memory_bytes = 7}));
}

TEST(ValuesTest, AttemptsGoThereAndBack) {
  const state::AgentAttempt attempt = {
      .job = JobId{10'000'000'001}, .group = 3, .index = 4'000'000'000, .attempt = 2};
  EXPECT_EQ(FromProto(ToProto(attempt)), attempt);
}

TEST(ValuesTest, LabelsAreBoundedAndSpelled) {
  google::protobuf::Map<std::string, std::string> labels;
  labels["good/key"] = "value";
  Violations violations;
  CheckLabels(labels, FieldPath::Root(), "labels", violations);
  EXPECT_TRUE(violations.empty());
  labels["bad key"] = "value";
  labels["long"] = std::string(254, 'v');
  CheckLabels(labels, FieldPath::Root(), "labels", violations);
  EXPECT_EQ(violations.list().size(), 2u);
}

TEST(ValuesTest, TooManyLabelsAreOneViolation) {
  google::protobuf::Map<std::string, std::string> labels;
  for (int i = 0; i <= kMostLabels; ++i) labels["k" + std::to_string(i)] = "";
  Violations violations;
  CheckLabels(labels, FieldPath::Root(), "labels", violations);
  ASSERT_EQ(violations.list().size(), 1u);
  EXPECT_EQ(violations.list()[0].field, "labels");
}

}  // namespace
}  // namespace berth::wire
