// Fractions of columns as integers: the arithmetic that scores are made of.
#pragma once

#include <algorithm>
#include <cstdint>

#include "berth/resources.h"

namespace berth::plugins {

// floor(share * part / whole), where `part` is first brought into [0, whole]; 0 when whole <= 0.
//
// REQUIRES: whole <= kMaxQuanta; 0 <= share <= kMaxScore, a whole number.
//
// Exactly what 64-bit integer division would give, but by a division in double, because that
// vectorises: part * share < 2^50 is exact; where the true quotient is no integer it is at least
// 1 / whole > 2^-30 away from one, while rounding moves it by at most 2^-33; so truncation cannot
// land on the wrong side.
[[gnu::always_inline]] inline int32_t ExactFraction(int32_t part, int32_t whole, double share) {
  const int32_t divisor = std::max(whole, 1);
  const int32_t clamped = std::max(0, std::min(part, whole));
  return static_cast<int32_t>(static_cast<double>(clamped) * share / static_cast<double>(divisor));
}

// The part of kMaxScore that goes to a weight, so that the parts of all weights add up to exactly
// kMaxScore: `before` is the sum of the weights before it, `total` that of all.
//
// REQUIRES: 0 <= before, 0 <= weight, before + weight <= total, 0 < total < 2^40.
constexpr int32_t ScoreShare(int64_t before, int64_t weight, int64_t total) {
  return static_cast<int32_t>(kMaxScore * (before + weight) / total - kMaxScore * before / total);
}

}  // namespace berth::plugins
