#include "state/outside_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "state/node_table.h"
#include "state/requirements_table.h"

namespace berth::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

NodeSpec NamedNode(const std::string& name) {
  NodeSpec spec;
  spec.name = name;
  spec.capacity.builtin = {4000, 8192, 0, 0};
  return spec;
}

TEST(OutsideScoresTest, SaysWhetherSomethingChanged) {
  OutsideScores scores;
  EXPECT_THAT(scores.Of(3), IsEmpty());
  EXPECT_TRUE(scores.Put(3, {1, 2}));
  EXPECT_FALSE(scores.Put(3, {1, 2}));
  EXPECT_TRUE(scores.Put(3, {1, 3}));
  EXPECT_THAT(scores.Of(3), ElementsAre(1, 3));
  EXPECT_THAT(scores.Of(4), IsEmpty());
  EXPECT_TRUE(scores.Drop(3));
  EXPECT_FALSE(scores.Drop(3));
  EXPECT_THAT(scores.Of(3), IsEmpty());
}

TEST(OutsideScoresTest, AnotherNodeInTheSlotHasNoScore) {
  NodeTable table(1);
  const Slot first = *table.Put(NamedNode("n1"));
  const Slot second = *table.Put(NamedNode("n2"));
  ASSERT_TRUE(table.outside_scores().Put(0, {10, 20}));
  ASSERT_TRUE(table.outside_scores().Put(1, {30, 40}));

  ASSERT_TRUE(table.Put(NamedNode("n1")).ok());  // the same node again
  EXPECT_THAT(table.outside_scores().Of(0), ElementsAre(10, 20));

  table.Remove(first);
  const uint64_t changes = table.static_changes().end();
  ASSERT_EQ(*table.Put(NamedNode("n3")), first);
  EXPECT_THAT(table.outside_scores().Of(0), ElementsAre(0, 20));
  EXPECT_THAT(table.outside_scores().Of(1), ElementsAre(0, 40));
  // Who keeps answers of plugins is told.
  EXPECT_EQ(table.static_changes().end(), changes + 1);
  EXPECT_EQ(second, 1u);
}

TEST(OutsideScoresTest, GoWithTheLastUserOfTheirShape) {
  NodeTable table(1);
  RequirementsTable shapes;
  NeedsSpec needs;
  needs.requests.builtin[kCpu] = 100;
  const ShapeId shape = *shapes.Acquire(needs, 0, table, false);
  shapes.AddUser(shape);
  table.outside_scores().Put(shape, {7});
  shapes.Release(shape, table);
  EXPECT_TRUE(shapes.HasUsers(shape));
  EXPECT_THAT(table.outside_scores().Of(shape), ElementsAre(7));
  shapes.Release(shape, table);
  EXPECT_FALSE(shapes.HasUsers(shape));
  EXPECT_THAT(table.outside_scores().Of(shape), IsEmpty());
}

}  // namespace
}  // namespace berth::state
