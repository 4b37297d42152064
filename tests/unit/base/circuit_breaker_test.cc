#include "base/circuit_breaker.h"

#include <gtest/gtest.h>

#include <set>

namespace berth::base {
namespace {

using State = CircuitBreaker::State;

constexpr CircuitBreaker::Options kThree{.failures = 3, .longest_pause_ms = 8000};

void FailTimes(CircuitBreaker& breaker, int times, int64_t now_ms) {
  for (int i = 0; i < times; ++i) {
    ASSERT_EQ(breaker.WaitMs(now_ms), 0);
    breaker.Begin();
    breaker.Fail(now_ms);
  }
}

TEST(CircuitBreakerTest, OpensAfterSoManyFailuresInARow) {
  CircuitBreaker breaker(kThree, Rng(1));
  FailTimes(breaker, 2, 0);
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Begin();
  breaker.Succeed();
  FailTimes(breaker, 2, 0);
  EXPECT_EQ(breaker.state(), State::kClosed);
  FailTimes(breaker, 1, 0);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_GT(breaker.WaitMs(0), 0);
}

TEST(CircuitBreakerTest, TriesOnceWhenThePauseIsOverAndPausesLongerEachTime) {
  CircuitBreaker breaker(kThree, Rng(1));
  int64_t now = 5000;
  FailTimes(breaker, 3, now);
  for (const int64_t pause : {1000, 2000, 4000, 8000, 8000}) {
    const int64_t wait = breaker.WaitMs(now);
    EXPECT_LE(wait, pause);
    EXPECT_GE(wait, pause - pause / 5);
    now += wait - 1;
    EXPECT_EQ(breaker.WaitMs(now), 1);
    ++now;
    EXPECT_EQ(breaker.WaitMs(now), 0);
    breaker.Begin();
    EXPECT_EQ(breaker.state(), State::kHalfOpen);
    breaker.Fail(now);
    EXPECT_EQ(breaker.state(), State::kOpen);
  }
  now += breaker.WaitMs(now);
  breaker.Begin();
  breaker.Succeed();
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_EQ(breaker.failures(), 0);
  // And from the start.
  FailTimes(breaker, 3, now);
  EXPECT_LE(breaker.WaitMs(now), 1000);
}

TEST(CircuitBreakerTest, OpensAtOnceForTheLongestPauseWhenTripped) {
  CircuitBreaker breaker(kThree, Rng(1));
  breaker.Begin();
  breaker.Trip(100);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_FALSE(breaker.MayBegin(100));
  EXPECT_GE(breaker.WaitMs(100), 8000 - 1600);
  const int64_t later = 100 + breaker.WaitMs(100);
  EXPECT_TRUE(breaker.MayBegin(later));
  breaker.Begin();
  EXPECT_FALSE(breaker.MayBegin(later)) << "one call tries, and others wait for what it finds";
  breaker.Succeed();
  EXPECT_TRUE(breaker.MayBegin(later));
}

TEST(CircuitBreakerTest, PausesDifferByChance) {
  std::set<int64_t> waits;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CircuitBreaker breaker(kThree, Rng(seed));
    FailTimes(breaker, 3, 0);
    waits.insert(breaker.WaitMs(0));
  }
  EXPECT_GT(waits.size(), 10u);
}

}  // namespace
}  // namespace berth::base
