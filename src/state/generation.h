// How numbers of the cluster follow from its restore generation, so that none that was given out
// before a snapshot was restored is ever given out again.
#pragma once

#include <cstdint>

namespace berth::state {

// Job ids are generation * this + a counter from 1.
inline constexpr uint64_t kJobsPerGeneration = 10'000'000'000;

// Epochs are generation * this + a counter that goes on: at a thousand turns a second one
// generation lasts 31 years.
inline constexpr uint64_t kEpochsPerGeneration = 1'000'000'000'000;

// Numbers of attempts are above generation * this: more than one task is ever tried between two
// restores. So they rise across a restore too, and BERTH_ATTEMPT stays a fencing token.
inline constexpr uint32_t kAttemptsPerGeneration = 1'000'000;

// Numbers of this and every lower generation stay below 2^63 (jobs, epochs) and 2^31 (attempts).
inline constexpr uint32_t kMostGeneration = 2'000;

// What an epoch of any generation is counted as in `generation`.
constexpr uint64_t EpochInGeneration(uint32_t generation, uint64_t epoch) {
  return generation * kEpochsPerGeneration + epoch % kEpochsPerGeneration;
}

}  // namespace berth::state
