// Amounts as small numbers on a scale that is even in ratios.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace berth::features {

// Position of an amount on a scale with 256 steps for each doubling: amounts below 256 are their
// own code, and above it a code stands for a range that is at most 1/256 of the amount wide. Larger
// amounts never have smaller codes. Integers only, so the same on every machine.
using ValueCode = uint16_t;

inline constexpr int kCodesOfADoubling = 256;

// What is negative counts as 0.
constexpr ValueCode EncodeValue(int64_t value) {
  if (value < 256) return static_cast<ValueCode>(std::max<int64_t>(value, 0));
  const auto bits = static_cast<uint64_t>(value);
  const int exponent = 63 - std::countl_zero(bits);  // 8 or more
  const auto mantissa = static_cast<int>((bits >> (exponent - 8)) & 255);
  return static_cast<ValueCode>(256 * (exponent - 7) + mantissa);
}

// The largest code of an amount that an int64_t holds.
inline constexpr ValueCode kLargestCode = EncodeValue(INT64_MAX);

// The middle of the amounts that have this code; of larger codes than there are, of the largest.
constexpr int64_t DecodeValue(ValueCode code) {
  if (code < 256) return code;
  code = std::min(code, kLargestCode);
  const int shift = code / 256 - 1;
  const int64_t least = static_cast<int64_t>(256 + code % 256) << shift;
  return least + (int64_t{1} << shift) / 2;
}

}  // namespace berth::features
