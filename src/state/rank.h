// Ranks of slots: the order in which equal scores are decided.
#pragma once

#include <cstdint>

namespace berth::state {

// The rank of `slot` in a table of `capacity` slots: a bijection on [0, capacity), drawn by `seed`.
// A fixed algorithm: the same three numbers give the same rank in every version.
//
// REQUIRES: capacity is a power of two; slot < capacity. Cost: O(1).
uint32_t RankOf(uint64_t seed, uint32_t slot, uint32_t capacity);

}  // namespace berth::state
