#include "features/rule_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/rules.h"

namespace berth::features {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RuleTablesTest, EveryExampleOfTheDefaultTablesHolds) {
  const auto tables = DefaultTables();
  ASSERT_TRUE(tables.ok()) << tables.status();
  EXPECT_GE(tables->examples.size(), 5u);
  EXPECT_THAT(FailingExamples(Rules(*tables)), IsEmpty());
}

TEST(RuleTablesTest, FaultsNameFileLineAndPath) {
  RuleTables tables;
  const absl::Status status = tables.Add("programs:\n  mine:\n    class: fast 60\n", "site.yaml");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), HasSubstr("site.yaml:3:12: programs.mine.class"));
}

TEST(RuleTablesTest, KeysThatNothingKnowsAreRefused) {
  RuleTables tables;
  EXPECT_FALSE(tables.Add("programs:\n  mine: {clas: cpu 60}\n", "site.yaml").ok());
  EXPECT_FALSE(tables.Add("environment: {X: cats}\n", "site.yaml").ok());
  EXPECT_FALSE(
      tables
          .Add("schedulers: {s: {prefix: \"#S\", options: {-l: \"skip form=pairs keys=none\"}}}",
               "site.yaml")
          .ok());
  EXPECT_TRUE(tables.programs.empty()) << "a refused file changes nothing";
}

TEST(RuleTablesTest, AnOperatorsFileAddsAndOverrides) {
  RuleTables tables = *DefaultTables();
  const absl::Status status = tables.Add(R"(
schedulers:
  ours: {prefix: "#OURS", options: {"--ram": "memory unit=GiB"}}
programs:
  frobnicate: {class: memory 90, options: {"--width": threads}}
phrases:
  ours: {means: vote network 120, words: [beam down]}
models:
  housebert: {parameters: 3B}
)",
                                         "site.yaml");
  ASSERT_TRUE(status.ok()) << status;
  const Rules rules(std::move(tables));
  const Features features = rules.ReadText({.script = "#OURS --ram 12\nfrobnicate --width 6\n"});
  EXPECT_EQ(features.memory_bytes->value, int64_t{12} << 30);
  EXPECT_EQ(features.cpu_milli->value, 6000);
  EXPECT_EQ(PrimaryClass(features.computation_class->value), ComputationClass::kMemoryBound);
  EXPECT_EQ(
      PrimaryClass(rules.ReadText({.description = "beam down the crew"}).computation_class->value),
      ComputationClass::kNetworkBound);
  EXPECT_EQ(rules.ReadText({.description = "serve housebert with vllm"}).model_memory_bytes->value,
            6'000'000'000);
}

TEST(RuleTablesTest, AFailingExampleIsNamed) {
  RuleTables tables = *DefaultTables();
  ASSERT_TRUE(
      tables
          .Add(
              "programs:\n  x: {class: cpu 60, examples: [{script: x -j 2, gives: {class: io}}]}\n",
              "site.yaml")
          .ok());
  const std::vector<std::string> failing = FailingExamples(Rules(std::move(tables)));
  EXPECT_THAT(failing, ElementsAre("programs.x.examples[0]: class: expected \"io\", got \"cpu\""));
}

TEST(PhraseTreeTest, TheLongestPhraseWins) {
  PhraseTree tree;
  tree.Add("memory", {.means = Means::kNoun});
  tree.Add("memory leak", {.means = Means::kPlain});
  tree.Add("phylogen*", {.means = Means::kVote});
  EXPECT_EQ(tree.Longest("memory  leaks", 0).rule->means, Means::kPlain);
  EXPECT_EQ(tree.Longest("memory leaking", 0).rule->means, Means::kNoun);
  EXPECT_EQ(tree.Longest("memoryless", 0).rule, nullptr);
  EXPECT_EQ(tree.Longest("phylogenetic trees", 0).bytes, 12u);
}

}  // namespace
}  // namespace berth::features
