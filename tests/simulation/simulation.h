// One simulated cluster, from its beginning to its end, out of one seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/coverage.h"

namespace berth::simulation {

struct Outcome {
  uint64_t seed = 0;
  std::string violation;  // empty: every invariant held
  std::vector<std::string> trace;
  Coverage coverage;
  int64_t virtual_us = 0;
};

// Runs the simulation of a seed. The same seed gives the same run, in every build. With `traces`,
// the outcome says what happened, line by line.
// Cost: some 10 ms without a trace.
Outcome Simulate(uint64_t seed, bool traces);

}  // namespace berth::simulation
