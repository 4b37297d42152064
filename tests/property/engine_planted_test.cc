// That the walks find faults: each is planted, and found within few of them.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "base/planted_fault.h"
#include "tests/property/engine_walk.h"

namespace berth {
namespace {

constexpr uint64_t kMostWalks = 10'000;

class EnginePlantedTest : public ::testing::TestWithParam<int> {
 protected:
  ~EnginePlantedTest() override { base::planted_fault = base::PlantedFault::kNone; }
};

TEST_P(EnginePlantedTest, IsFound) {
  base::planted_fault = static_cast<base::PlantedFault>(GetParam());
  testing::WalkCounts counts;
  for (uint64_t seed = 1; seed <= kMostWalks; ++seed) {
    const std::string difference = testing::WalkEngine(seed, counts);
    if (difference.empty()) continue;
    std::cout << base::kPlantedFaultNames[GetParam()] << " found on walk " << seed << ": "
              << difference << std::endl;
    return;
  }
  FAIL() << "not found in " << kMostWalks << " walks";
}

// The same walks without a fault.
TEST(EngineUnplantedTest, FindsNothingWhereNothingIs) {
  testing::WalkCounts counts;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    ASSERT_EQ(testing::WalkEngine(seed, counts), "") << "seed " << seed;
  }
}

std::string NameOf(const ::testing::TestParamInfo<int>& info) {
  std::string name;
  bool starts_word = true;
  for (const char* at = base::kPlantedFaultNames[info.param]; *at != 0; ++at) {
    if (*at != '-') name += starts_word ? static_cast<char>(*at - 'a' + 'A') : *at;
    starts_word = *at == '-';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Each, EnginePlantedTest,
                         ::testing::Range(base::kFirstEngineFault, base::kPlantedFaults), NameOf);

}  // namespace
}  // namespace berth
