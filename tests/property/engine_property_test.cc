// The engine chooses exactly what the oracle chooses, over random sequences of changes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "tests/property/engine_walk.h"
#include "tests/support/random_cluster.h"

namespace berth {
namespace {

#ifndef BERTH_ENGINE_WALKS
#define BERTH_ENGINE_WALKS 10'000
#endif

TEST(EnginePropertyTest, ChoosesWhatTheOracleChooses) {
  const uint64_t first = testing::TestSeed(1);
  testing::WalkCounts counts;
  for (uint64_t seed = first; seed < first + BERTH_ENGINE_WALKS; ++seed) {
    ASSERT_EQ(testing::WalkEngine(seed, counts), "") << "on the walk with seed " << seed;
  }
  std::cout << BERTH_ENGINE_WALKS << " sequences from seed " << first << std::endl;
  for (const char* event : testing::kWalkEvents) {
    std::cout << "  " << event << ": " << counts[event] << std::endl;
    EXPECT_GT(counts[event], 0) << event << " never happened";
  }
}

}  // namespace
}  // namespace berth
