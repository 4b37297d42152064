#pragma once

#include <cstdint>

#include "base/rng.h"

namespace berth::base {

// Keeps calls away from a program that does not answer them.
//
//            failures in a row                pause over
//   closed ───────────────────▶ open ───────────────────────▶ half open
//     ▲                          ▲  └─────── failure ─────────────┤
//     └──────────────────────────┼──────────── success ───────────┘
//
// The first pause is a second, each further one twice as long, up to a longest; each is up to a
// fifth shorter by chance, so that several that wait for one program do not come at once.
//
// Threading: one thread. Time is given.
class CircuitBreaker {
 public:
  enum class State : uint8_t { kClosed = 0, kHalfOpen = 1, kOpen = 2 };
  struct Options {
    int64_t failures = 3;  // in a row, after which it opens
    int64_t longest_pause_ms = 60'000;
  };

  CircuitBreaker(const Options& options, Rng rng) : options_(options), rng_(rng) {}

  // How long no call may be made; 0: one may now.
  int64_t WaitMs(int64_t now_ms) const;
  // Whether a call may begin now: none while the one that tries anew is under way.
  bool MayBegin(int64_t now_ms) const { return state_ != State::kHalfOpen && WaitMs(now_ms) == 0; }
  // A call begins. REQUIRES: one may be made.
  void Begin();
  // How it ended.
  void Succeed();
  void Fail(int64_t now_ms);
  // Opens at once, for the longest pause: the other side has said that to come again soon is of no
  // use.
  void Trip(int64_t now_ms);

  State state() const { return state_; }
  // In a row, so far.
  int64_t failures() const { return failures_; }

 private:
  void PauseFrom(int64_t now_ms);

  static constexpr int64_t kFirstPauseMs = 1000;

  const Options options_;
  Rng rng_;
  State state_ = State::kClosed;
  int64_t failures_ = 0;
  int64_t pause_ms_ = 0;  // the last one, before chance
  int64_t until_ms_ = 0;  // while it is open
};

}  // namespace berth::base
