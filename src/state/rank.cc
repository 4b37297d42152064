#include "state/rank.h"

#include <bit>

#include "base/check.h"
#include "base/fixed_hash.h"

namespace berth::state {

// Each round is invertible on k bits: an odd factor, an added constant, and a right-shift xor. So
// their composition is a bijection, whatever the seed.
uint32_t RankOf(uint64_t seed, uint32_t slot, uint32_t capacity) {
  BERTH_CHECK(std::has_single_bit(capacity) && slot < capacity);
  const uint32_t mask = capacity - 1;
  const int bits = std::countr_zero(capacity);
  const int shift = bits / 2 > 0 ? bits / 2 : 1;
  uint32_t x = slot;
  for (uint64_t round = 0; round < 4; ++round) {
    const uint64_t draw = base::FixedHash((round << 32) | capacity, seed);
    x = (x * (static_cast<uint32_t>(draw) | 1u) + static_cast<uint32_t>(draw >> 32)) & mask;
    x ^= x >> shift;
  }
  return x & mask;
}

}  // namespace berth::state
