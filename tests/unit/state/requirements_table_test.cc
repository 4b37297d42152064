#include "state/requirements_table.h"

#include <gtest/gtest.h>

namespace berth::state {
namespace {

NeedsSpec Cpu(int32_t milli) {
  NeedsSpec needs;
  needs.requests.builtin[kCpu] = milli;
  return needs;
}

TEST(RequirementsTableTest, GivesEqualNeedsOneShape) {
  NodeTable nodes(1);
  RequirementsTable table;
  const ShapeId first = *table.Acquire(Cpu(100), 0, nodes, false);
  EXPECT_EQ(*table.Acquire(Cpu(100), 0, nodes, false), first);
  EXPECT_NE(*table.Acquire(Cpu(200), 0, nodes, false), first);
  EXPECT_NE(*table.Acquire(Cpu(100), 1, nodes, false), first);
}

TEST(RequirementsTableTest, TellsNeedsApartThatDifferInSelectorsOnly) {
  NodeTable nodes(1);
  RequirementsTable table;
  NeedsSpec a = Cpu(100);
  a.required_nodes = {{{.op = SelectorOp::kIn, .key = "zone", .values = {"a"}}}};
  NeedsSpec b = a;
  b.required_nodes[0][0].values = {"b"};
  EXPECT_NE(*table.Acquire(a, 0, nodes, false), *table.Acquire(b, 0, nodes, false));
}

TEST(RequirementsTableTest, ReusesANumberOnlyAfterItsLastUser) {
  NodeTable nodes(1);
  RequirementsTable table;
  const ShapeId shape = *table.Acquire(Cpu(100), 0, nodes, false);
  ASSERT_EQ(*table.Acquire(Cpu(100), 0, nodes, false), shape);
  table.Release(shape);
  EXPECT_NE(*table.Acquire(Cpu(300), 0, nodes, false), shape);
  table.Release(shape);
  EXPECT_EQ(*table.Acquire(Cpu(400), 0, nodes, false), shape);
  EXPECT_EQ(table.Get(shape).requests[kCpu], 400);
}

TEST(RequirementsTableTest, RefusesAnExtendedResourceThatNoNodeEverHad) {
  NodeTable nodes(1);
  RequirementsTable table;
  NeedsSpec needs = Cpu(100);
  needs.requests.extended = {{"fpga", 1}};
  const auto refused = table.Acquire(needs, 0, nodes, false);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.status().message()).find("fpga"), std::string::npos);
  EXPECT_EQ(nodes.names().extended.size(), 0u);

  NodeSpec node;
  node.name = "n1";
  node.capacity.extended = {{"fpga", 2}};
  ASSERT_TRUE(nodes.Put(node).ok());
  const auto shape = table.Acquire(needs, 0, nodes, false);
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(table.Get(*shape).requests[kFirstExtended], 1);
  EXPECT_EQ(table.Get(*shape).resource_count, kFirstExtended + 1);
}

}  // namespace
}  // namespace berth::state
