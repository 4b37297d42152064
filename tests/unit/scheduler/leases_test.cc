#include "scheduler/leases.h"

#include <gtest/gtest.h>

namespace berth::scheduler {
namespace {

constexpr int64_t kLease = 40'000;
constexpr int64_t kLost = 300'000;

class LeasesTest : public ::testing::Test {
 protected:
  // Asks at each deadline until `until_ms`, as the loop does. Each silence as (time, slot, lost).
  struct Seen {
    int64_t ms;
    Slot slot;
    bool is_lost;
    std::optional<Leases::Fence> fence = std::nullopt;
    bool operator==(const Seen&) const = default;
  };
  std::vector<Seen> Until(int64_t until_ms) {
    std::vector<Seen> seen;
    while (leases_.next_ms() && *leases_.next_ms() <= until_ms) {
      const int64_t now = *leases_.next_ms();
      while (const auto silence = leases_.TakeDue(now)) {
        seen.push_back({now, silence->slot, silence->is_lost, silence->fence});
      }
    }
    return seen;
  }

  Seen Fenced(int64_t ms, Slot slot, const Leases::Fence& fence) {
    return {ms, slot, false, fence};
  }

  Leases leases_{kLease, kLost};
  const Leases::Fence first_{{JobId{1}, 0, 0}, 1};
  const Leases::Fence second_{{JobId{1}, 0, 1}, 3};
};

TEST_F(LeasesTest, ASilentNodeIsAwayAndThenLostOnce) {
  EXPECT_FALSE(leases_.is_fresh(3));
  leases_.Hear(3, 1000);
  EXPECT_TRUE(leases_.is_fresh(3));
  EXPECT_EQ(Until(1'000'000),
            (std::vector<Seen>{{1000 + kLease, 3, false}, {1000 + kLost, 3, true}}));
  EXPECT_FALSE(leases_.is_fresh(3));
  EXPECT_EQ(leases_.heard_ms(3), 1000);
  EXPECT_EQ(leases_.next_ms(), std::nullopt);
}

TEST_F(LeasesTest, EveryWordPutsOffBoth) {
  for (int64_t now = 0; now <= 600'000; now += 10'000) {
    EXPECT_TRUE(Until(now).empty()) << now;
    leases_.Hear(1, now);
  }
  EXPECT_EQ(Until(2'000'000),
            (std::vector<Seen>{{600'000 + kLease, 1, false}, {600'000 + kLost, 1, true}}));
}

TEST_F(LeasesTest, AWordEndsTheSilenceAtAnyStage) {
  leases_.Hear(1, 0);
  EXPECT_EQ(Until(kLease).size(), 1u);
  leases_.Hear(1, kLease + 5);  // its lease is due before what it would have been lost at
  EXPECT_TRUE(leases_.is_fresh(1));
  EXPECT_EQ(Until(2 * kLease + 5), (std::vector<Seen>{{2 * kLease + 5, 1, false}}));
  EXPECT_EQ(Until(10 * kLost).size(), 1u);
  leases_.Hear(1, 20 * kLost);
  EXPECT_TRUE(leases_.is_fresh(1));
  EXPECT_EQ(Until(30 * kLost).size(), 2u);
}

TEST_F(LeasesTest, EachNodeHasItsOwn) {
  leases_.Hear(0, 0);
  leases_.Hear(7, 10'000);
  EXPECT_EQ(Until(kLost + 10'000), (std::vector<Seen>{{kLease, 0, false},
                                                      {kLease + 10'000, 7, false},
                                                      {kLost, 0, true},
                                                      {kLost + 10'000, 7, true}}));
}

TEST_F(LeasesTest, AProcessThatStoodStillStartsEveryLeaseAnew) {
  leases_.Hear(0, 0);
  leases_.Hear(1, 0);
  ASSERT_EQ(Until(kLease).size(), 2u);
  leases_.Hear(1, kLease + 1);
  const int64_t awake = 2 * kLost;
  EXPECT_FALSE(leases_.TakeDue(awake).has_value());
  EXPECT_TRUE(leases_.is_fresh(0));
  EXPECT_EQ(Until(awake + kLost), (std::vector<Seen>{{awake + kLease, 0, false},
                                                     {awake + kLease, 1, false},
                                                     {awake + kLost, 0, true},
                                                     {awake + kLost, 1, true}}));
  // What was lost stays so.
  EXPECT_EQ(leases_.next_ms(), std::nullopt);
  leases_.Hear(2, awake + 2 * kLost);
  EXPECT_FALSE(leases_.TakeDue(awake + 4 * kLost).has_value());
  EXPECT_FALSE(leases_.is_fresh(0));
}

TEST_F(LeasesTest, WhatIsLeftForTheNextTurnIsNoStandstill) {
  for (Slot slot = 0; slot < 3; ++slot) leases_.Hear(slot, 0);
  ASSERT_EQ(Until(kLease).size(), 3u);
  EXPECT_TRUE(leases_.TakeDue(kLost)->is_lost);
  // A turn later than what counts as one, and each turn takes as long as may be.
  EXPECT_TRUE(leases_.TakeDue(kLost + 5'000).value().is_lost);
  EXPECT_TRUE(leases_.TakeDue(kLost + 10'000).value().is_lost);
}

// ---- fences ----

TEST_F(LeasesTest, AFencedAttemptHasEndedWhenTheLeaseTheGraceAndTheMarginAreOver) {
  leases_.Hear(3, 1000);
  ASSERT_EQ(Until(1000 + kLease).size(), 1u);
  leases_.AddFence(3, first_, 30'000);
  leases_.AddFence(3, second_, 0);
  EXPECT_TRUE(leases_.HasFence(3, first_.task));
  EXPECT_FALSE(leases_.HasFence(4, first_.task));
  EXPECT_EQ(Until(1'000'000), (std::vector<Seen>{Fenced(1000 + kLease + 5'000, 3, second_),
                                                 Fenced(1000 + kLease + 30'000 + 5'000, 3, first_),
                                                 {1000 + kLost, 3, true}}));
  EXPECT_FALSE(leases_.HasFence(3, first_.task));
}

TEST_F(LeasesTest, AFenceMayComeLongAfterItsNodeIsLost) {
  leases_.Hear(3, 0);
  ASSERT_EQ(Until(kLease).size(), 1u);
  leases_.AddFence(3, first_, kLost);
  EXPECT_EQ(Until(kLost).size(), 1u);
  EXPECT_TRUE(leases_.HasFence(3, first_.task));
  EXPECT_EQ(Until(10 * kLost), (std::vector<Seen>{Fenced(kLease + kLost + 5'000, 3, first_)}));
}

TEST_F(LeasesTest, AWordEndsTheFencesOfItsNodeAlone) {
  leases_.Hear(3, 0);
  leases_.Hear(4, 0);
  ASSERT_EQ(Until(kLease).size(), 2u);
  leases_.AddFence(3, first_, 0);
  leases_.AddFence(4, second_, 0);
  leases_.Hear(3, kLease + 1);
  EXPECT_FALSE(leases_.HasFence(3, first_.task));
  EXPECT_EQ(Until(kLease + 5'000), (std::vector<Seen>{Fenced(kLease + 5'000, 4, second_)}));
}

TEST_F(LeasesTest, AfterAStandstillFencesAreForgottenWithTheirLease) {
  leases_.Hear(3, 0);
  ASSERT_EQ(Until(kLease).size(), 1u);
  leases_.AddFence(3, first_, 0);
  EXPECT_FALSE(leases_.TakeDue(kLease + 5'000 + 6'000).has_value());
  EXPECT_TRUE(leases_.is_fresh(3));
  EXPECT_FALSE(leases_.HasFence(3, first_.task));
}

}  // namespace
}  // namespace berth::scheduler
