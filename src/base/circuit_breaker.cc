#include "base/circuit_breaker.h"

#include <algorithm>

#include "base/check.h"

namespace berth::base {

int64_t CircuitBreaker::WaitMs(int64_t now_ms) const {
  return state_ == State::kOpen ? std::max<int64_t>(0, until_ms_ - now_ms) : 0;
}

void CircuitBreaker::Begin() {
  BERTH_CHECK(state_ != State::kHalfOpen) << "a call is under way";
  if (state_ == State::kOpen) state_ = State::kHalfOpen;
}

void CircuitBreaker::Succeed() {
  state_ = State::kClosed;
  failures_ = 0;
  pause_ms_ = 0;
}

void CircuitBreaker::Fail(int64_t now_ms) {
  ++failures_;
  if (state_ == State::kClosed && failures_ < options_.failures) return;
  pause_ms_ = std::min(options_.longest_pause_ms, pause_ms_ == 0 ? kFirstPauseMs : pause_ms_ * 2);
  PauseFrom(now_ms);
}

void CircuitBreaker::Trip(int64_t now_ms) {
  ++failures_;
  pause_ms_ = options_.longest_pause_ms;
  PauseFrom(now_ms);
}

void CircuitBreaker::PauseFrom(int64_t now_ms) {
  state_ = State::kOpen;
  until_ms_ = now_ms + pause_ms_ -
              static_cast<int64_t>(rng_.Uniform(static_cast<uint64_t>(pause_ms_) / 5 + 1));
}

}  // namespace berth::base
