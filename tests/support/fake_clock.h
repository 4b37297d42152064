#pragma once

#include <atomic>
#include <cstdint>

#include "base/check.h"
#include "base/clock.h"

namespace berth::testing {

// A clock that stands still until a test moves it.
//
// Starts at 1,000,000 ms after boot and at 2026-01-01T00:00:00Z.
// Threading: any thread; a reader sees either the time before or after an Advance.
class FakeClock final : public base::Clock {
 public:
  static constexpr std::int64_t kStartMonotonicMs = 1'000'000;
  static constexpr std::int64_t kStartWallMs = 1'767'225'600'000;

  [[nodiscard]] std::int64_t MonotonicMs() const override { return monotonic_ms_.load(); }
  [[nodiscard]] std::int64_t WallMs() const override { return wall_ms_.load(); }

  // Moves both clocks on. REQUIRES: ms >= 0.
  void Advance(std::int64_t ms) {
    BERTH_CHECK(ms >= 0) << "a monotonic clock never goes back";
    monotonic_ms_ += ms;
    wall_ms_ += ms;
  }

  // Sets wall time alone, either way: what an operator or ntpd does.
  void JumpWallTo(std::int64_t wall_ms) { wall_ms_ = wall_ms; }

 private:
  std::atomic<std::int64_t> monotonic_ms_ = kStartMonotonicMs;
  std::atomic<std::int64_t> wall_ms_ = kStartWallMs;
};

}  // namespace berth::testing
