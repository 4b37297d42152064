#include "base/rng.h"

#include <bit>

#include "base/check.h"
#include "base/fixed_hash.h"

namespace berth::base {
namespace {

__extension__ using Uint128 = unsigned __int128;

Rng::State Seeded(std::uint64_t seed) {
  Rng::State state;
  for (std::uint64_t& word : state) {
    seed += 0x9e3779b97f4a7c15u;
    word = FixedMix(seed);
  }
  return state;
}

}  // namespace

// Four consecutive outputs of splitmix64 are never all zero: it is a bijection of a counter.
Rng::Rng(std::uint64_t seed) : state_(Seeded(seed)) {}

Rng::Rng(const State& state) : state_(state) {
  BERTH_CHECK((state[0] | state[1] | state[2] | state[3]) != 0)
      << "an all-zero generator never moves";
}

std::uint64_t Rng::Next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Rng::Uniform(std::uint64_t bound) {
  BERTH_CHECK(bound > 0);
  Uint128 product = static_cast<Uint128>(Next()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;  // 2^64 mod bound
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Uint128>(Next()) * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Rng::UniformDouble() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

}  // namespace berth::base
