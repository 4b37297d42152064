#include "priority_sort/priority_sort.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "berth/queue_sort.h"
#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::PluginProbe;

int64_t KeyOf(int32_t priority, int64_t queued_at_ms = 0) {
  PluginProbe probe(kPrioritySort);
  return probe.As<QueueSortPlugin>().Key(
      {.job = JobId{1}, .group = 0, .priority = priority, .queued_at_ms = queued_at_ms});
}

TEST(PrioritySortTest, PutsHigherPrioritiesFirst) {
  EXPECT_LT(KeyOf(10), KeyOf(0));
  EXPECT_LT(KeyOf(0), KeyOf(-10));
}

TEST(PrioritySortTest, OrdersTheExtremePriorities) {
  EXPECT_LT(KeyOf(INT32_MAX), KeyOf(INT32_MIN));
}

TEST(PrioritySortTest, LeavesEqualPrioritiesToTheOrderOfSubmission) {
  EXPECT_EQ(KeyOf(5, 1000), KeyOf(5, 2000));
}

}  // namespace
}  // namespace berth::plugins
