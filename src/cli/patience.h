// How long a command goes on without berthd.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace berth::cli {

// Between two tries. Nothing tells a client that berthd is back, so it asks.
inline constexpr auto kRetryPause = std::chrono::milliseconds(200);

// A berthd that has been heard and goes away is waited for: for a minute, counted from when it was
// first missed.
//
// Threading: none.
class Patience {
 public:
  explicit Patience(const base::Clock& clock) : clock_(clock) {}

  // berthd was heard.
  void Renew() { is_lost_ = false; }

  // berthd was missed; whether it was not before.
  bool Miss() {
    if (is_lost_) return false;
    is_lost_ = true;
    lost_since_ms_ = clock_.MonotonicMs();
    return true;
  }

  bool IsOver() const { return is_lost_ && clock_.MonotonicMs() - lost_since_ms_ > kLastsMs; }

 private:
  static constexpr int64_t kLastsMs = 60'000;

  const base::Clock& clock_;
  bool is_lost_ = false;
  int64_t lost_since_ms_ = 0;
};

}  // namespace berth::cli
