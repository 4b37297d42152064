#include "state/job_spec.h"

#include <gtest/gtest.h>

namespace berth::state {
namespace {

GroupSpec Array(IndexRanges ranges) {
  GroupSpec group;
  group.ranges = std::move(ranges);
  return group;
}

TEST(JobSpecTest, CountsRangesWithSteps) {
  EXPECT_EQ(Array({{0, 99, 1}}).count(), 100);
  EXPECT_EQ(Array({{0, 10, 3}}).count(), 4);  // 0 3 6 9
  EXPECT_EQ(Array({{1, 1, 1}, {5, 8, 1}}).count(), 5);
}

TEST(JobSpecTest, MapsPositionsToIndicesAndBack) {
  const GroupSpec group = Array({{1, 1, 1}, {5, 9, 2}});  // 1 5 7 9
  const uint32_t expected[] = {1, 5, 7, 9};
  for (uint32_t position = 0; position < 4; ++position) {
    EXPECT_EQ(group.IndexAt(position), expected[position]);
    EXPECT_EQ(group.PositionOf(expected[position]), position);
  }
  EXPECT_EQ(group.PositionOf(6), std::nullopt);
  EXPECT_EQ(group.PositionOf(10), std::nullopt);
  EXPECT_EQ(group.PositionOf(-1), std::nullopt);
}

TEST(JobSpecTest, WritesTaskIdsWithTheGroupOnlyWhenThereAreSeveral) {
  JobSpec one;
  one.groups = {Array({{10, 20, 5}})};
  one.groups[0].name = "worker";
  EXPECT_EQ(TaskIdText(12, one, 0, 1), "12.15");
  EXPECT_EQ(TaskIdText(12, one, 0, 1, 2), "12.15#2");

  JobSpec two = one;
  two.groups.push_back(Array({{0, 0, 1}}));
  two.groups[1].name = "driver";
  EXPECT_EQ(TaskIdText(12, two, 0, 0), "12.worker.10");
  EXPECT_EQ(TaskIdText(12, two, 1, 0), "12.driver.0");
}

}  // namespace
}  // namespace berth::state
