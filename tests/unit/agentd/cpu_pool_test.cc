#include "agentd/cgroups/cpu_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agentd/cgroups/cgroup_numbers.h"
#include "tests/unit/agentd/two_numa_nodes.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two NUMA nodes of four CPUs.
TEST(CpuPoolTest, TakesFromTheNodeWithTheFewestFreeThatHasEnough) {
  CpuPool pool = TwoNumaNodes();
  ASSERT_TRUE(pool.Take(1, false).has_value());
  const auto taken = pool.Take(3, false);
  ASSERT_TRUE(taken.has_value());
  EXPECT_THAT(taken->cpus, ElementsAre(1, 2, 3));
  EXPECT_THAT(pool.shared(), ElementsAre(4, 5, 6, 7));
}

TEST(CpuPoolTest, OneNumaNodeBringsItsMemoryOnly) {
  CpuPool pool = TwoNumaNodes();
  const auto one = pool.Take(4, true);
  ASSERT_TRUE(one.has_value());
  EXPECT_THAT(one->memory_nodes, ElementsAre(0));
  const auto any = pool.Take(1, false);
  EXPECT_THAT(any->memory_nodes, ElementsAre(0, 1));
}

TEST(CpuPoolTest, SpansNodesOnlyWhereThatMayBe) {
  CpuPool pool = TwoNumaNodes();
  EXPECT_FALSE(pool.Take(5, true).has_value());
  const auto taken = pool.Take(5, false);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->cpus.size(), 5u);
}

TEST(CpuPoolTest, LeavesOneForTheOthers) {
  CpuPool pool = TwoNumaNodes();
  EXPECT_EQ(pool.most(false), 7);
  EXPECT_FALSE(pool.Take(8, false).has_value());
  ASSERT_TRUE(pool.Take(4, true).has_value());
  EXPECT_EQ(pool.most(true), 3);
  ASSERT_TRUE(pool.Take(3, true).has_value());
  EXPECT_FALSE(pool.Take(1, false).has_value());
  EXPECT_THAT(pool.shared(), ElementsAre(7));
}

TEST(CpuPoolTest, GivesBackAndAdopts) {
  CpuPool pool = TwoNumaNodes();
  pool.Adopt({0, 1, 99});
  EXPECT_THAT(pool.shared(), ElementsAre(2, 3, 4, 5, 6, 7));
  pool.GiveBack({0, 1});
  EXPECT_EQ(pool.shared().size(), 8u);
}

TEST(CpuPoolTest, HasNothingWithoutCpus) {
  CpuPool pool;
  EXPECT_FALSE(pool.Take(1, false).has_value());
  EXPECT_THAT(pool.shared(), IsEmpty());
}

TEST(CpuPoolTest, WritesListsAsTheKernelDoes) {
  EXPECT_EQ(ToList({}), "");
  EXPECT_EQ(ToList({3}), "3");
  EXPECT_EQ(ToList({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(CgroupNumbersTest, AddsUpWhatFollowsALabel) {
  const char* text = "254:0 Read 100\n254:0 Write 7\n254:16 Read 20\nTotal 127\n";
  EXPECT_EQ(SumAfter(text, " Read "), 120);
  EXPECT_EQ(SumAfter(text, " Write "), 7);
  EXPECT_EQ(SumAfter("8:0 rbytes=5 wbytes=6 rios=1\n8:16 rbytes=1", "rbytes="), 6);
  EXPECT_EQ(SumAfter("", " Read "), 0);
}

}  // namespace
}  // namespace berth::agentd
