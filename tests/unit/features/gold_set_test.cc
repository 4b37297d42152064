#include "features/gold_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "features/baseline.h"
#include "features/evaluation.h"
#include "features/rules.h"
#include "yaml/write.h"

namespace berth::features {
namespace {

using ::testing::HasSubstr;

std::vector<GoldText> Texts(std::string_view yaml) {
  const auto texts = ParseGoldTexts(yaml, "gold.yaml");
  EXPECT_TRUE(texts.ok()) << texts.status();
  return texts.value_or(std::vector<GoldText>());
}

TEST(GoldSetTest, FaultsNameFileAndPath) {
  const auto texts = ParseGoldTexts("- id: a\n  expect: {stated: {memory: much}}\n", "gold.yaml");
  EXPECT_THAT(texts.status().ToString(), HasSubstr("gold.yaml:2:29: [0].expect.stated.memory"));
  EXPECT_FALSE(ParseGoldTexts("- id: a\n  expect: {clas: io}\n", "gold.yaml").ok());
  EXPECT_EQ(ReadGoldSet("tests/unit").status().code(), absl::StatusCode::kNotFound);
}

TEST(EvaluationTest, EachValueIsCountedOnce) {
  const std::vector<GoldText> texts = Texts(R"(
- id: a
  expect: {class: io, also: [cpu], stated: {cores: 8, memory: 2Gi}, modelMemory: 10Gi, inputs: [/x/]}
- id: b
  expect: {permits: [class, duration]}
)");
  Features features;
  features.computation_class = Estimate<ClassWeights>{{100, 0, 0, 0, 0}, 90};
  features.cpu_milli = Estimate<int64_t>{8000, 90};
  features.model_memory_bytes = Estimate<int64_t>{int64_t{19} << 30, 90};
  features.duration_ms = Estimate<int64_t>{60'000, 90};
  features.inputs.push_back({{"/x", 0}, 90});
  const Measured measured = Evaluate(texts, [&](const JobText&) { return features; });
  EXPECT_EQ(measured.class_exact.part, 1);
  EXPECT_EQ(measured.class_exact.whole, 1);
  EXPECT_EQ(measured.stated_exact.part, 1);
  EXPECT_EQ(measured.stated_exact.whole, 2);
  EXPECT_EQ(measured.gpu_memory_within_2x.part, 1);
  EXPECT_EQ(measured.data_recall.part, 1);
  // Of a: the time. Of b: cores, model memory and the input; class and time are open.
  EXPECT_EQ(measured.hallucinated.part, 4);
  EXPECT_EQ(measured.hallucinated.whole, 8);
}

TEST(EvaluationTest, RulesReachTheirFiguresOnTheTunePart) {
  const auto set = ReadGoldSet("tests/data/features");
  ASSERT_TRUE(set.ok()) << set.status();
  const Rules rules(*DefaultTables());
  const Extractor by_rules = [&](const JobText& text) { return rules.ReadText(text); };
  std::printf("%s\n",
              yaml::WriteJson(EvaluateAll(*set, {{"rules", by_rules}, {"baseline", ReadBaseline}}))
                  .c_str());
  const Measured measured = Evaluate(set->at("tune"), by_rules);
  for (const std::string& fault : measured.faults) std::printf("%s\n", fault.c_str());
  EXPECT_EQ(measured.texts, 289);
  EXPECT_GE(measured.class_exact.value(), 0.97);
  EXPECT_GE(measured.stated_exact.value(), 0.97);
  EXPECT_GE(measured.gpu_memory_within_2x.value(), 0.97);
  EXPECT_LE(measured.hallucinated.value(), 0.01);
  const Measured baseline = Evaluate(set->at("tune"), ReadBaseline);
  EXPECT_GT(measured.stated_exact.value(), baseline.stated_exact.value() + 0.3);
}

}  // namespace
}  // namespace berth::features
