#include "state/shape_words.h"

#include <gtest/gtest.h>

#include "state/requirements_table.h"
#include "tests/support/random_cluster.h"

namespace berth::state {
namespace {

TEST(ShapeWordsTest, WordsOfAShapeMeanTheShape) {
  base::Rng rng(berth::testing::TestSeed(3));
  NodeTable nodes(1);
  RequirementsTable shapes;
  berth::testing::SetSharedRandomly(rng, nodes);
  int with_shared = 0, with_selector = 0, with_toleration = 0, with_devices = 0;
  for (int i = 0; i < 2000; ++i) {
    NeedsSpec needs = berth::testing::RandomNeeds(rng);
    if (i % 3 == 0) needs.requests.extended.emplace_back("licence", 1 + i % 2);
    const auto shape = shapes.Acquire(needs, 0, nodes, /*intern_unknown=*/true);
    ASSERT_TRUE(shape.ok()) << shape.status();
    const NeedsSpec words = WordsOf(shapes.Get(*shape), nodes);
    EXPECT_EQ(*shapes.Acquire(words, 0, nodes, /*intern_unknown=*/true), *shape);
    EXPECT_EQ(words.node_selector, needs.node_selector);
    EXPECT_EQ(words.requests.builtin, needs.requests.builtin);
    with_selector += !words.required_nodes.empty();
    with_toleration += !words.tolerations.empty();
    with_devices += !words.devices.empty();
    with_shared += !shapes.Get(*shape).shared.empty();
  }
  EXPECT_GT(with_selector, 100);
  EXPECT_GT(with_toleration, 100);
  EXPECT_GT(with_devices, 100);
  EXPECT_GT(with_shared, 100);
}

}  // namespace
}  // namespace berth::state
