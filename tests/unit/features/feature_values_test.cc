#include "features/feature_values.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::features {
namespace {

using berth::v1::FeatureField;
using berth::v1::FeatureSource;
using berth::v1::FeatureValue;
using berth::v1::GroupFeatures;

constexpr int64_t kGiB = int64_t{1} << 30;

FeatureValue& Add(GroupFeatures& values, FeatureField field, FeatureSource source,
                  int32_t confidence = 90) {
  FeatureValue& value = *values.add_values();
  value.set_field(field);
  value.set_source(source);
  value.set_confidence(confidence);
  return value;
}

FeatureValue& AddHistory(GroupFeatures& values, FeatureField field, int64_t number, int64_t high,
                         const char* level = "name", int32_t ends = 5) {
  FeatureValue& value = Add(values, field, berth::v1::FEATURE_SOURCE_HISTORY);
  value.set_number(number);
  value.set_low(number / 2);
  value.set_high(high);
  value.set_level(level);
  value.set_ends(ends);
  return value;
}

void AddClass(GroupFeatures& values, FeatureSource source, int32_t memory, int32_t confidence) {
  auto& weights = *Add(values, berth::v1::FEATURE_FIELD_COMPUTATION_CLASS, source, confidence)
                       .mutable_weights();
  weights.set_memory(memory);
  weights.set_cpu(100 - memory);
}

TEST(FeatureValuesTest, TheFirstThatIsSureSettlesAField) {
  GroupFeatures values;
  AddClass(values, berth::v1::FEATURE_SOURCE_DECLARED, 100, 100);
  AddClass(values, berth::v1::FEATURE_SOURCE_RULES, 0, 95);
  EXPECT_EQ(Settle({}, values).hints.bound_by, ComputationClass::kMemoryBound);
  EXPECT_EQ(values.values(0).use(), berth::v1::FEATURE_USE_SCORE);
  EXPECT_EQ(values.values(1).use(), berth::v1::FEATURE_USE_OVERRULED);
}

TEST(FeatureValuesTest, WhatIsUnsureLeavesTheFieldToTheNext) {
  GroupFeatures values;
  AddClass(values, berth::v1::FEATURE_SOURCE_RULES, 100, kLeastHintConfidence - 1);
  AddClass(values, berth::v1::FEATURE_SOURCE_MODEL, 0, kLeastHintConfidence);
  EXPECT_EQ(Settle({}, values).hints.bound_by, ComputationClass::kCpuBound);
  EXPECT_EQ(values.values(0).use(), berth::v1::FEATURE_USE_UNSURE);
}

TEST(FeatureValuesTest, ALayerThatIsSwitchedOffIsPassedOver) {
  GroupFeatures values;
  AddHistory(values, berth::v1::FEATURE_FIELD_DURATION, 1000, 2000);
  const CascadeOptions off{.fill = FillPolicy::kOff,
                           .is_on = [](HistoryField, Source) { return false; }};
  EXPECT_EQ(Settle(off, values).hints.expected_ms, 0);
  EXPECT_EQ(values.values(0).use(), berth::v1::FEATURE_USE_SWITCHED_OFF);
}

TEST(FeatureValuesTest, OnlyHistoryOfOnesOwnTasksOrders) {
  for (const char* level : {"queue", "all"}) {
    GroupFeatures values;
    AddHistory(values, berth::v1::FEATURE_FIELD_DURATION, 1000, 2000, level);
    EXPECT_EQ(Settle({}, values).hints.expected_ms, 0) << level;
  }
  GroupFeatures own;
  AddHistory(own, berth::v1::FEATURE_FIELD_DURATION, 1000, 2000, "user");
  EXPECT_EQ(Settle({}, own).hints.expected_ms, 1000);
  // Anybody may write a duration.
  GroupFeatures text;
  Add(text, berth::v1::FEATURE_FIELD_DURATION, berth::v1::FEATURE_SOURCE_RULES).set_number(1);
  EXPECT_EQ(Settle({}, text).hints.expected_ms, 0);
}

TEST(FeatureValuesTest, FillsWhatIsOpenByThePolicy) {
  const auto settled = [](FillPolicy policy, berth::v1::FeatureUse use) {
    GroupFeatures values;
    AddHistory(values, berth::v1::FEATURE_FIELD_MEMORY, kGiB, 2 * kGiB);
    const Settled result = Settle({.fill = policy, .is_on = {}}, values);
    EXPECT_EQ(values.values(0).use(), use);
    return result;
  };
  EXPECT_EQ(settled(FillPolicy::kOff, berth::v1::FEATURE_USE_UNSPECIFIED).memory_bytes, 0);
  const Settled suggested = settled(FillPolicy::kSuggest, berth::v1::FEATURE_USE_SUGGESTED);
  const Settled applied = settled(FillPolicy::kApply, berth::v1::FEATURE_USE_FILLED);
  EXPECT_EQ(suggested.memory_bytes, applied.memory_bytes);
  // The top of the interval, a tenth to spare, in steps of 64 MiB.
  EXPECT_EQ(applied.memory_bytes, int64_t{36} * (64 << 20));
  EXPECT_EQ(applied.memory_from, "history");
}

TEST(FeatureValuesTest, FillsOnlyFromEnoughTasksOfTheSameKind) {
  for (const auto& [level, ends] : {std::pair{"user", 50}, {"name", 2}}) {
    GroupFeatures values;
    AddHistory(values, berth::v1::FEATURE_FIELD_MEMORY, kGiB, kGiB, level, ends);
    Add(values, berth::v1::FEATURE_FIELD_MEMORY, berth::v1::FEATURE_SOURCE_RULES)
        .set_number(3 * kGiB);
    const Settled result = Settle({.fill = FillPolicy::kApply, .is_on = {}}, values);
    EXPECT_EQ(result.memory_bytes, 3 * kGiB) << level;
    EXPECT_EQ(result.memory_from, "the job's text");
  }
}

TEST(FeatureValuesTest, WhatIsDeclaredIsNeverFilled) {
  GroupFeatures values;
  Add(values, berth::v1::FEATURE_FIELD_MEMORY, berth::v1::FEATURE_SOURCE_DECLARED).set_number(1);
  AddHistory(values, berth::v1::FEATURE_FIELD_MEMORY, kGiB, 2 * kGiB);
  EXPECT_EQ(Settle({.fill = FillPolicy::kApply, .is_on = {}}, values).memory_bytes, 0);
}

TEST(FeatureValuesTest, DataIsLookedForByItsPathAndItsName) {
  GroupFeatures values;
  Add(values, berth::v1::FEATURE_FIELD_INPUT, berth::v1::FEATURE_SOURCE_RULES)
      .set_text("s3://bucket/ImageNet/");
  Add(values, berth::v1::FEATURE_FIELD_OUTPUT, berth::v1::FEATURE_SOURCE_RULES).set_text("/out");
  FeatureValue& model =
      Add(values, berth::v1::FEATURE_FIELD_MODEL, berth::v1::FEATURE_SOURCE_RULES);
  model.set_text("llama-3-70b");
  const state::GroupHints hints = Settle({}, values).hints;
  ASSERT_EQ(hints.data.size(), 2u);
  EXPECT_EQ(hints.data[0].names,
            (std::vector<std::string>{"ImageNet", "imagenet", "s3://bucket/ImageNet"}));
  EXPECT_EQ(hints.data[1].names, std::vector<std::string>{"llama-3-70b"});
}

TEST(FeatureValuesTest, NoTextMakesMoreHintsThanThereMayBe) {
  GroupFeatures values;
  for (int i = 0; i < 100; ++i) {
    Add(values, berth::v1::FEATURE_FIELD_INPUT, berth::v1::FEATURE_SOURCE_RULES)
        .set_text("/data/" + std::to_string(i));
  }
  Add(values, berth::v1::FEATURE_FIELD_INPUT, berth::v1::FEATURE_SOURCE_RULES)
      .set_text(std::string(100'000, 'x'));
  const state::GroupHints hints = Settle({}, values).hints;
  EXPECT_EQ(hints.data.size(), state::kMostDataHints);
  for (const DataHint& hint : hints.data) {
    EXPECT_GE(hint.weight, 1);
    EXPECT_LE(hint.names.size(), state::kMostDataNames);
  }
}

TEST(FeatureValuesTest, DeclaredFieldsAreTakenAsTheyAre) {
  berth::v1::JobSpec job;
  berth::v1::Features& said = *job.mutable_features();
  said.set_computation_class("network");
  said.set_duration_ms(60'000);
  said.add_models("bert");
  berth::v1::TaskGroup& group = *job.add_groups();
  group.mutable_template_()->mutable_resources()->set_cpu_milli(2500);
  auto& device = *group.mutable_template_()->add_devices();
  device.set_kind("gpu");
  device.set_count(2);
  const Features declared = DeclaredFeatures(job, group);
  EXPECT_EQ(PrimaryClass(declared.computation_class->value), ComputationClass::kNetworkBound);
  EXPECT_EQ(declared.cpu_milli->value, 2500);
  EXPECT_EQ(declared.gpus->value, 2);
  EXPECT_EQ(declared.duration_ms->value, 60'000);
  EXPECT_FALSE(declared.memory_bytes.has_value());
  GroupFeatures values;
  AppendValues(declared, values);
  for (const FeatureValue& value : values.values()) {
    EXPECT_EQ(value.source(), berth::v1::FEATURE_SOURCE_DECLARED);
    EXPECT_EQ(value.confidence(), 100);
  }
}

}  // namespace
}  // namespace berth::features
