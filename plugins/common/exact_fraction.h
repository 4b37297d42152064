// Fractions of columns as integers: the arithmetic that scores are made of.
#pragma once

#include <algorithm>
#include <cstdint>

#include "berth/resources.h"

namespace berth::plugins {

inline constexpr int kMaxScoreBits = 20;
static_assert(kMaxScore == 1 << kMaxScoreBits);

// The quotient, rounded down, of a number of which the low 32 bits are known, given an estimate of
// it that is off by less than a half.
//
// The estimate, lowered by a half and cut, is the quotient or one less. So the remainder lies in
// [0, 2 x divisor), which fits int32, and can be had from the low words alone: no step needs a lane
// of 64 bits.
[[gnu::always_inline]] inline int32_t RoundedDown(float estimate, uint32_t low_word,
                                                  int32_t divisor) {
  const auto quotient = static_cast<int32_t>(estimate - 0.5F);
  const auto remainder = static_cast<int32_t>(low_word - static_cast<uint32_t>(quotient) *
                                                             static_cast<uint32_t>(divisor));
  return remainder >= divisor ? quotient + 1 : quotient;
}

// floor(kMaxScore * part / whole), where `part` is first brought into [0, whole]; 0 when
// whole <= 0.
//
// REQUIRES: whole <= kMaxQuanta; inverse is 1 / whole in float, rounded to the nearest, or 0 when
// whole <= 0.
//
// Exactly what 64-bit integer division would give, by two multiplications in float: part, whole,
// 1 / whole and the first product are each off by at most 2^-24 of themselves (the second is by a
// power of two), so that the estimate of at most 2^20 is off by at most a quarter, which
// RoundedDown mends.
[[gnu::always_inline]] inline int32_t ScorePart(int32_t part, int32_t whole, float inverse) {
  const int32_t clamped = std::max(0, std::min(part, whole));
  const float estimate = static_cast<float>(clamped) * (inverse * static_cast<float>(kMaxScore));
  return RoundedDown(estimate, static_cast<uint32_t>(clamped) << kMaxScoreBits, std::max(whole, 1));
}

// The same where no inverse is at hand.
inline int32_t ScorePart(int32_t part, int32_t whole) {
  return ScorePart(part, whole, whole > 0 ? 1.0F / static_cast<float>(whole) : 0.0F);
}

// floor(sum / divisor). REQUIRES: sum >= 0, divisor >= 1, sum / divisor <= kMaxScore, 2 * divisor
// fits int32; inverse as above, of the divisor.
[[gnu::always_inline]] inline int32_t ScoreMean(int32_t sum, int32_t divisor, float inverse) {
  return RoundedDown(static_cast<float>(sum) * inverse, static_cast<uint32_t>(sum), divisor);
}

// The part of kMaxScore that goes to a weight, so that the parts of all weights add up to exactly
// kMaxScore: `before` is the sum of the weights before it, `total` that of all.
//
// REQUIRES: 0 <= before, 0 <= weight, before + weight <= total, 0 < total < 2^40.
constexpr int32_t ScoreShare(int64_t before, int64_t weight, int64_t total) {
  return static_cast<int32_t>(kMaxScore * (before + weight) / total - kMaxScore * before / total);
}

}  // namespace berth::plugins
