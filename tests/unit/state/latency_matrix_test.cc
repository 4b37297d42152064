#include "state/latency_matrix.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::state {
namespace {

class LatencyMatrixTest : public ::testing::Test {
 protected:
  Slot Add(const std::string& name, const std::string& zone) {
    NodeSpec spec;
    spec.name = name;
    spec.capacity.builtin = {1000, 1024, 0, 0};
    spec.labels = {{"zone", zone}};
    return *nodes_.Put(spec);
  }
  std::optional<int64_t> Between(const std::string& one, const std::string& other) {
    return matrix_.Between(nodes_, nodes_.InternLabel("zone", one),
                           nodes_.InternLabel("zone", other));
  }

  NodeTable nodes_{1};
  LatencyMatrix matrix_;
};

TEST_F(LatencyMatrixTest, TellsTheMedianOfThePairsOfTwoDomainsWhicheverEndMeasured) {
  const Slot a1 = Add("a1", "a"), a2 = Add("a2", "a");
  const Slot b1 = Add("b1", "b"), b2 = Add("b2", "b");
  EXPECT_EQ(Between("a", "b"), std::nullopt);
  matrix_.Set(a1, b1, 300);
  matrix_.Set(b2, a2, 9000);  // held up
  matrix_.Set(a2, b2, 200);
  matrix_.Set(a1, a2, 10);
  EXPECT_EQ(Between("a", "b"), 300);
  EXPECT_EQ(Between("b", "a"), 300);
  EXPECT_EQ(Between("a", "a"), 10);
  EXPECT_EQ(Between("b", "b"), std::nullopt);
}

TEST_F(LatencyMatrixTest, APairThatIsNotHeardFromAnyMoreIsNotKnown) {
  const Slot a = Add("a1", "a"), b = Add("b1", "b");
  matrix_.Set(a, b, 300);
  matrix_.Set(a, b, 0);
  EXPECT_EQ(Between("a", "b"), std::nullopt);
  EXPECT_TRUE(matrix_.From(a).empty());
  matrix_.Set(b, a, 0);  // was never known
  EXPECT_TRUE(matrix_.From(b).empty());
}

TEST_F(LatencyMatrixTest, WhatANodeMeasuredIsForgottenWithIt) {
  const Slot a = Add("a1", "a"), b = Add("b1", "b");
  matrix_.Set(a, b, 300);
  matrix_.Set(b, a, 500);
  matrix_.Forget(a);
  EXPECT_TRUE(matrix_.From(a).empty());
  EXPECT_EQ(Between("a", "b"), 500);
}

TEST_F(LatencyMatrixTest, FollowsANodeIntoAnotherDomain) {
  const Slot a = Add("n1", "a"), b = Add("n2", "b");
  matrix_.Set(a, b, 300);
  EXPECT_EQ(Add("n1", "c"), a);
  EXPECT_EQ(Between("a", "b"), std::nullopt);
  EXPECT_EQ(Between("c", "b"), 300);
}

}  // namespace
}  // namespace berth::state
