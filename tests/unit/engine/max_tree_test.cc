#include "engine/max_tree.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace berth::engine {
namespace {

// A tree and the plainest thing that does the same.
class Twins {
 public:
  explicit Twins(size_t size, base::Rng& rng) : rng_(rng) { Grow(size); }

  void Grow(size_t size) {
    tree_.Grow(size);
    totals_.resize(size, -1);
    ranks_.resize(size);
    for (size_t i = 0; i < size; ++i) ranks_[i] = static_cast<uint32_t>(i);
    for (size_t i = size; i > 1; --i) std::swap(ranks_[i - 1], ranks_[rng_.Uniform(i)]);
    tree_.Rekey();
  }

  void Set(Slot slot, int32_t total) {
    totals_[slot] = total;
    tree_.Set(slot, total, ranks_);
  }
  void SetAll(int32_t kinds) {
    for (size_t i = 0; i < totals_.size(); ++i) {
      totals_[i] = static_cast<int32_t>(rng_.Uniform(static_cast<uint64_t>(kinds))) - 1;
      tree_.leaves()[i] = totals_[i];
    }
    tree_.Rekey();
  }

  void Check() {
    BestTwo expected;
    int64_t feasible = 0;
    for (size_t i = 0; i < totals_.size(); ++i) {
      const Key key = KeyOf(totals_[i], ranks_[i]);
      feasible += totals_[i] >= 0;
      if (key > expected.best_key) {
        expected.second_key = expected.best_key;
        expected.second = expected.best;
        expected.best_key = key;
        expected.best = static_cast<Slot>(i);
      } else if (key > expected.second_key) {
        expected.second_key = key;
        expected.second = static_cast<Slot>(i);
      }
    }
    const BestTwo two = tree_.Best(ranks_);
    ASSERT_EQ(two.best, expected.best);
    ASSERT_EQ(two.best_key, expected.best_key);
    ASSERT_EQ(two.second, expected.second);
    ASSERT_EQ(two.second_key, expected.second_key);
    ASSERT_EQ(tree_.feasible(), feasible);
  }

  size_t size() const { return totals_.size(); }

 private:
  base::Rng& rng_;
  MaxTree tree_;
  std::vector<int32_t> totals_;
  std::vector<uint32_t> ranks_;
};

TEST(MaxTreeTest, HasNobodyWhenEmpty) {
  MaxTree tree;
  EXPECT_EQ(tree.Best({}).best, kNoSlot);
}

TEST(MaxTreeTest, FindsTheBestTwoOverRandomChanges) {
  base::Rng rng(5);
  for (const size_t size : {1u, 2u, 63u, 64u, 65u, 1000u, 4096u, 4097u, 9000u}) {
    SCOPED_TRACE("size " + std::to_string(size));
    Twins twins(size, rng);
    for (int step = 0; step < 2000; ++step) {
      // Few different totals, so that ties are many.
      const auto kinds = 1 + rng.Uniform(6);
      twins.Set(static_cast<Slot>(rng.Uniform(size)), static_cast<int32_t>(rng.Uniform(kinds)) - 1);
      if (rng.Uniform(3) == 0) twins.Check();
      if (HasFatalFailure()) return;
      if (rng.Uniform(500) == 0) {
        twins.SetAll(static_cast<int32_t>(kinds) + 1);
        twins.Check();
      }
    }
  }
}

TEST(MaxTreeTest, KeepsWhatItHasWhenItGrows) {
  base::Rng rng(6);
  Twins twins(100, rng);
  twins.SetAll(50);
  for (const size_t size : {101u, 128u, 4000u, 4100u, 9000u}) {
    twins.Grow(size);
    twins.Check();
    twins.Set(static_cast<Slot>(size - 1), 49);
    twins.Check();
  }
}

TEST(MaxTreeTest, HoldsTheLargestTotals) {
  base::Rng rng(7);
  Twins twins(70, rng);
  twins.Set(3, INT32_MAX);
  twins.Set(69, INT32_MAX);
  twins.Set(4, INT32_MAX - 1);
  twins.Check();
}

}  // namespace
}  // namespace berth::engine
