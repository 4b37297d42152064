#include "state/rank.h"

#include <gtest/gtest.h>

#include <vector>

namespace berth::state {
namespace {

TEST(RankTest, IsABijectionForEverySeedAndCapacity) {
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{0xdeadbeefcafe}}) {
    for (uint32_t capacity = 1; capacity <= 4096; capacity *= 2) {
      std::vector<bool> taken(capacity, false);
      for (uint32_t slot = 0; slot < capacity; ++slot) {
        const uint32_t rank = RankOf(seed, slot, capacity);
        ASSERT_LT(rank, capacity);
        ASSERT_FALSE(taken[rank]) << "seed " << seed << " capacity " << capacity;
        taken[rank] = true;
      }
    }
  }
}

TEST(RankTest, DiffersBetweenSeeds) {
  int same = 0;
  for (uint32_t slot = 0; slot < 1024; ++slot) {
    if (RankOf(1, slot, 1024) == RankOf(2, slot, 1024)) ++same;
  }
  EXPECT_LT(same, 64);
}

// The ranks of a stored cluster are drawn again at each start: the algorithm may never change.
TEST(RankTest, GivesTheValuesThatItGaveInVersionOne) {
  EXPECT_EQ(RankOf(7, 0, 64), 46u);
  EXPECT_EQ(RankOf(7, 1, 64), 29u);
  EXPECT_EQ(RankOf(12345, 1000, 16384), 6989u);
}

}  // namespace
}  // namespace berth::state
