#include "features/settle_amounts.h"

#include <gtest/gtest.h>

namespace berth::features {
namespace {

FactSheet Sheet(std::initializer_list<std::pair<Fact, double>> facts) {
  FactSheet sheet;
  for (const auto& [fact, value] : facts) sheet.Latest(fact, value);
  return sheet;
}

TEST(SettleAmountsTest, RanksOfANodeTimesTheirCoresAreTheNodes) {
  const Amounts amounts = SettleAmounts(
      Sheet({{Fact::kNodes, 4}, {Fact::kRanksPerNode, 8}, {Fact::kCoresPerRank, 2}}), {});
  EXPECT_EQ(amounts.cores, 16);
  EXPECT_EQ(amounts.parallelism, 4);
}

TEST(SettleAmountsTest, RanksOverNodesAreCores) {
  const Amounts amounts = SettleAmounts(Sheet({{Fact::kNodes, 2}, {Fact::kRanks, 128}}), {});
  EXPECT_EQ(amounts.cores, 64);
  EXPECT_EQ(amounts.parallelism, 2);
}

TEST(SettleAmountsTest, RanksAloneSayNothingOfCores) {
  const Amounts amounts = SettleAmounts(Sheet({{Fact::kRanks, 64}, {Fact::kMemoryPerCore, 3}}), {});
  EXPECT_EQ(amounts.cores, std::nullopt);
  EXPECT_EQ(amounts.parallelism, 64);
  EXPECT_EQ(amounts.memory_bytes, 3);
}

TEST(SettleAmountsTest, ATotalIsDividedByItsNodes) {
  EXPECT_EQ(SettleAmounts(Sheet({{Fact::kGpusTotal, 16}, {Fact::kNodes, 2}}), {}).gpus, 8);
  EXPECT_EQ(SettleAmounts(Sheet({{Fact::kGpusTotal, 16}}), 2.0).gpus, 8);
  EXPECT_EQ(SettleAmounts(Sheet({{Fact::kGpusTotal, 7}, {Fact::kNodes, 2}}), {}).gpus, std::nullopt)
      << "what does not divide was misread";
}

TEST(SettleAmountsTest, ThreadsOfAProcessMultiply) {
  EXPECT_EQ(SettleAmounts(Sheet({{Fact::kThreadGroups, 4}, {Fact::kThreadsPerGroup, 7}}), {}).cores,
            28);
}

TEST(SettleAmountsTest, ParallelModelsTakeTheProductOfTheirParts) {
  EXPECT_EQ(
      SettleAmounts(Sheet({{Fact::kTensorParallel, 4}, {Fact::kPipelineParallel, 2}}), {}).gpus, 8);
}

}  // namespace
}  // namespace berth::features
