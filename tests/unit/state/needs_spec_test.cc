#include "state/needs_spec.h"

#include <gtest/gtest.h>

#include "state/needs_pool.h"

namespace berth::state {
namespace {

SharedNeeds CpuInZone(int32_t milli, const std::string& zone = "a") {
  SharedNeeds needs;
  needs.Edit().requests.builtin[kCpu] = milli;
  needs.Edit().node_selector = {{"zone", zone}};
  return needs;
}

TEST(SharedNeedsTest, ACopyKeepsWhatItIsACopyOf) {
  SharedNeeds needs = CpuInZone(100);
  const SharedNeeds before = needs;
  EXPECT_TRUE(needs.Is(before));
  needs.Edit().requests.builtin[kCpu] = 200;
  EXPECT_EQ(before->requests.builtin[kCpu], 100);
  EXPECT_EQ(needs->requests.builtin[kCpu], 200);
  EXPECT_FALSE(needs.Is(before));
}

TEST(SharedNeedsTest, NoneIsNotChangedByItsFirstUser) {
  CpuInZone(100);
  EXPECT_EQ(*SharedNeeds(), NeedsSpec());
}

TEST(NeedsPoolTest, EqualNeedsAreOneAndOthersAreNot) {
  NeedsPool pool;
  const SharedNeeds first = pool.Acquire(CpuInZone(100));
  EXPECT_TRUE(pool.Acquire(CpuInZone(100)).Is(first));
  EXPECT_FALSE(pool.Acquire(CpuInZone(100, "b")).Is(first));
  EXPECT_EQ(pool.size(), 2u);
}

TEST(NeedsPoolTest, ForgetsNeedsWithTheirLastUser) {
  NeedsPool pool;
  const SharedNeeds needs = pool.Acquire(CpuInZone(100));
  pool.Acquire(CpuInZone(100));
  pool.Release(CpuInZone(100));
  EXPECT_EQ(pool.size(), 1u);
  EXPECT_TRUE(pool.Acquire(CpuInZone(100)).Is(needs));
  pool.Release(needs);
  pool.Release(needs);
  EXPECT_EQ(pool.size(), 0u);
}

}  // namespace
}  // namespace berth::state
