// The last values of something, with how much each still counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "features/value_code.h"

namespace berth::features {

// How fast what was seen stops counting. After `ends` further values, or after `seconds`, one
// counts half as much. REQUIRES: both > 0, seconds <= kMostSeconds.
struct Decay {
  static constexpr int64_t kMostSeconds = int64_t{1} << 50;

  int32_t ends = 4;
  int64_t seconds = int64_t{14} * 24 * 3600;
};

// One value as it was seen.
struct SeenValue {
  uint32_t at_s = 0;  // seconds since 1970
  ValueCode code = 0;
  // The value was at least this: who measured could not see the end of it.
  bool at_least = false;

  bool operator==(const SeenValue&) const = default;
};

// A share of what a value counts, in 1/65536.
using Weight = uint32_t;
inline constexpr Weight kWholeWeight = 65536;

// 65536 × 2^(-sixteenths / 16), rounded down; 0 from 17 × 16 on.
Weight HalvingWeight(int64_t sixteenths);

// The newest values of one quantity in one group, at most kMost of them.
//
// It keeps the values themselves and not a summary: a group repeats few values, and what is asked
// of it (which values count, in which order, which were cut short) no fixed set of quantiles
// answers.
//
// Threading: one thread at a time. Cost: Add O(1); memory 8 bytes a value, grown in doublings.
class RecentValues {
 public:
  static constexpr size_t kMost = 32;

  void Add(const SeenValue& value);

  [[nodiscard]] size_t size() const { return ring_.size(); }
  [[nodiscard]] bool empty() const { return ring_.empty(); }

  // The i-th newest. REQUIRES: i < size().
  [[nodiscard]] const SeenValue& Newest(size_t i) const;

  // What the i-th newest counts at `now_s`. One from the future counts as new.
  [[nodiscard]] Weight WeightOf(size_t i, int64_t now_s, const Decay& decay) const;

  // What all of them count together.
  [[nodiscard]] uint64_t TotalWeight(int64_t now_s, const Decay& decay) const;

  [[nodiscard]] size_t bytes() const { return ring_.capacity() * sizeof(SeenValue); }

 private:
  // Once full, the oldest is at next_ and is overwritten.
  std::vector<SeenValue> ring_;
  uint8_t next_ = 0;
};

}  // namespace berth::features
