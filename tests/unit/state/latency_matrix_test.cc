#include "state/latency_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "state/node_table.h"

namespace berth::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NearnessTest, LosesATenthWithEachDoubling) {
  EXPECT_EQ(NearnessOf(1), 10);
  EXPECT_EQ(NearnessOf(32), 10);
  EXPECT_EQ(NearnessOf(33), 9);
  EXPECT_EQ(NearnessOf(64), 9);
  EXPECT_EQ(NearnessOf(65), 8);
  EXPECT_EQ(NearnessOf(1'024), 5);
  EXPECT_EQ(NearnessOf(16'384), 1);
  EXPECT_EQ(NearnessOf(16'385), 0);
  EXPECT_EQ(NearnessOf(INT64_MAX), 0);
}

class LatencyMatrixTest : public ::testing::Test {
 protected:
  Slot Add(const std::string& name, const std::string& zone) {
    NodeSpec spec;
    spec.name = name;
    spec.capacity.builtin = {1000, 1024, 0, 0};
    spec.labels = {{"zone", zone}};
    return *nodes_.Put(spec);
  }
  // Zones have numbers in the order in which they came.
  std::vector<int32_t> Row(int32_t domain) const {
    const auto row = nodes_.nearness(zone_, domain);
    return {row.begin(), row.end()};
  }
  void Recount(size_t nodes = 100) { matrix().Recount(nodes_.topology(), nodes); }
  LatencyMatrix& matrix() { return nodes_.latencies(); }

  NodeTable nodes_{1};
  KeyId zone_ = nodes_.InternKey("zone");
  CounterId counter_ = nodes_.AddCounter(zone_);
};

TEST_F(LatencyMatrixTest, TellsTheMedianOfThePairsOfTwoDomainsWhicheverEndMeasured) {
  const Slot a1 = Add("a1", "a"), a2 = Add("a2", "a");
  const Slot b1 = Add("b1", "b"), b2 = Add("b2", "b");
  matrix().Set(a1, b1, 300);
  matrix().Set(b2, a2, 9000);  // held up
  matrix().Set(a2, b2, 200);
  matrix().Set(a1, a2, 100);
  nodes_.WatchNearness(zone_);
  EXPECT_THAT(Row(0), ElementsAre(8, NearnessOf(300)));
  EXPECT_THAT(Row(1), ElementsAre(NearnessOf(300), kMaxNearness));
}

TEST_F(LatencyMatrixTest, WhatIsNotKnownIsFarButFromItself) {
  Add("a1", "a");
  Add("b1", "b");
  nodes_.WatchNearness(zone_);
  EXPECT_THAT(Row(0), ElementsAre(kMaxNearness, 0));
  Add("c1", "c");  // the table does not have it yet
  EXPECT_THAT(Row(2), IsEmpty());
  EXPECT_THAT(Row(0), ElementsAre(kMaxNearness, 0));
}

TEST_F(LatencyMatrixTest, IsCountedAnewInPieces) {
  const Slot a = Add("a1", "a"), b = Add("b1", "b"), c = Add("c1", "c");
  nodes_.WatchNearness(zone_);
  EXPECT_FALSE(matrix().IsStale());
  matrix().Set(a, b, 32);
  matrix().Set(b, c, 64);
  EXPECT_TRUE(matrix().IsStale());
  EXPECT_THAT(Row(1), ElementsAre(0, kMaxNearness, 0));
  Recount(1);
  EXPECT_TRUE(matrix().is_counting());
  EXPECT_THAT(Row(1), ElementsAre(0, kMaxNearness, 0));
  Recount(1);
  EXPECT_FALSE(matrix().is_counting());
  EXPECT_FALSE(matrix().IsStale());
  EXPECT_THAT(Row(1), ElementsAre(10, kMaxNearness, 9));
}

TEST_F(LatencyMatrixTest, APairThatIsNotHeardFromAnyMoreIsNotKnown) {
  const Slot a = Add("a1", "a"), b = Add("b1", "b");
  matrix().Set(a, b, 300);
  nodes_.WatchNearness(zone_);
  matrix().Set(a, b, 0);
  Recount();
  EXPECT_THAT(Row(0), ElementsAre(kMaxNearness, 0));
  EXPECT_TRUE(matrix().From(a).empty());
  matrix().Set(b, a, 0);  // was never known
  EXPECT_TRUE(matrix().From(b).empty());
}

TEST_F(LatencyMatrixTest, WhatANodeMeasuredIsForgottenWithIt) {
  const Slot a = Add("a1", "a"), b = Add("b1", "b");
  matrix().Set(a, b, 30);
  matrix().Set(b, a, 500);
  nodes_.WatchNearness(zone_);
  EXPECT_THAT(Row(0), ElementsAre(kMaxNearness, 10));
  matrix().Forget(a);
  EXPECT_TRUE(matrix().IsStale());
  Recount();
  EXPECT_TRUE(matrix().From(a).empty());
  EXPECT_THAT(Row(0), ElementsAre(kMaxNearness, NearnessOf(500)));
}

TEST_F(LatencyMatrixTest, FollowsANodeIntoAnotherDomain) {
  const Slot a = Add("n1", "a"), b = Add("n2", "b");
  matrix().Set(a, b, 300);
  nodes_.WatchNearness(zone_);
  EXPECT_EQ(Add("n1", "c"), a);
  Recount();
  EXPECT_THAT(Row(0), ElementsAre(kMaxNearness, 0, 0));
  EXPECT_THAT(Row(2), ElementsAre(0, NearnessOf(300), kMaxNearness));
}

TEST_F(LatencyMatrixTest, HasNoTableThatNobodyWatches) {
  const Slot a = Add("n1", "a"), b = Add("n2", "b");
  nodes_.WatchNearness(zone_);
  nodes_.WatchNearness(zone_);
  matrix().Set(a, b, 300);
  Recount(0);
  EXPECT_TRUE(matrix().is_counting());
  nodes_.UnwatchNearness(zone_);
  EXPECT_THAT(Row(0), ElementsAre(kMaxNearness, 0));
  nodes_.UnwatchNearness(zone_);
  EXPECT_THAT(Row(0), IsEmpty());
  Recount();  // goes on with nothing
  EXPECT_FALSE(matrix().is_counting());
  matrix().Set(a, b, 400);
  EXPECT_FALSE(matrix().IsStale());
}

TEST_F(LatencyMatrixTest, HasSoManyDomainsAndNoMore) {
  for (size_t i = 0; i <= LatencyMatrix::kMostDomains; ++i) {
    Add("n" + std::to_string(i), "z" + std::to_string(i));
  }
  const auto last = static_cast<Slot>(LatencyMatrix::kMostDomains);
  matrix().Set(0, last - 1, 30);
  matrix().Set(0, last, 30);
  nodes_.WatchNearness(zone_);
  EXPECT_EQ(Row(0).size(), LatencyMatrix::kMostDomains);
  EXPECT_EQ(Row(0).back(), 10);
  EXPECT_THAT(Row(static_cast<int32_t>(last)), IsEmpty());
}

}  // namespace
}  // namespace berth::state
