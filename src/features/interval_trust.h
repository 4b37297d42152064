// What predictions of one sort were worth, and how wide their intervals must be for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "features/value_code.h"

namespace berth::features {

// Learns from each outcome from which quantile to which an interval must go, so that the share of
// outcomes inside is what was asked for, and how often predictions with intervals so wide were
// right within a factor of two.
//
// Adaptive conformal inference (Gibbs and Candes, 2021), each end of the interval by itself: an
// outcome outside moves the end out by more than one inside moves it in, so that the two balance
// where the share outside is right. That holds whatever the outcomes are, as long as an end is not
// at its limit.
//
// Integers only. Threading: one thread at a time.
class IntervalTrust {
 public:
  static constexpr int32_t kMillion = 1'000'000;
  // Up to √2, 2, 4, 8 and 32 times from end to end, and more.
  static constexpr size_t kWidths = 6;

  struct State {
    // In millionths.
    int32_t low = 0, high = 0;
    std::array<int32_t, kWidths> right{};

    bool operator==(const State&) const = default;
  };

  // REQUIRES: 0 < coverage_percent < 100.
  explicit IntervalTrust(int32_t coverage_percent);

  // The quantiles to go from and to.
  [[nodiscard]] double low() const { return static_cast<double>(state_.low) / kMillion; }
  [[nodiscard]] double high() const { return static_cast<double>(state_.high) / kMillion; }

  // Of a hundred predictions with an interval so wide, how many were within a factor of two.
  [[nodiscard]] int32_t Confidence(int64_t low, int64_t high) const;

  // An outcome of a prediction. An interval's ends are in it.
  void Learn(int64_t low, int64_t value, int64_t high, int64_t actual);

  [[nodiscard]] const State& state() const { return state_; }
  // False, and nothing changes: no such state comes from Learn().
  bool Restore(const State& state);

 private:
  int32_t outside_step_;
  State state_;
};

}  // namespace berth::features
