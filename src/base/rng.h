#pragma once

#include <array>
#include <cstdint>

namespace berth::base {

// A random number generator whose output is part of the contract: the same seed gives the same
// numbers in every build and release, so that a run can be replayed. The standard's distributions
// do not promise that.
//
// Algorithm: xoshiro256** 1.0 (Blackman and Vigna), its four words drawn from splitmix64 at the
// seed. Golden values in tests/unit/base/rng_test.cc. Not for secrets.
//
// Threading: one thread at a time.
class Rng {
 public:
  // The whole of a generator, for keeping it and going on later.
  using State = std::array<std::uint64_t, 4>;

  explicit Rng(std::uint64_t seed);
  // REQUIRES: not all zero, the one state from which the algorithm never moves.
  explicit Rng(const State& state);

  // Each of the 2^64 values equally often.
  std::uint64_t Next();

  // A number in [0, bound), each equally often: the high word of Next() * bound, drawing again
  // while the low word is below 2^64 mod bound. REQUIRES: bound > 0. Cost: nearly always one draw
  // and one multiplication.
  std::uint64_t Uniform(std::uint64_t bound);

  // A number in [0, 1): the high 53 bits of Next(), times 2^-53.
  double UniformDouble();

  [[nodiscard]] const State& state() const { return state_; }

 private:
  State state_;
};

}  // namespace berth::base
