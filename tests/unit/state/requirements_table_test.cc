#include "state/requirements_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace berth::state {
namespace {

NeedsSpec NeedsCpu(int32_t milli) {
  NeedsSpec needs;
  needs.requests.builtin[kCpu] = milli;
  return needs;
}

TEST(RequirementsTableTest, GivesEqualNeedsOneShape) {
  NodeTable nodes(1);
  RequirementsTable table;
  const ShapeId first = *table.Acquire(NeedsCpu(100), 0, nodes, false);
  EXPECT_EQ(*table.Acquire(NeedsCpu(100), 0, nodes, false), first);
  EXPECT_NE(*table.Acquire(NeedsCpu(200), 0, nodes, false), first);
  EXPECT_NE(*table.Acquire(NeedsCpu(100), 1, nodes, false), first);
}

TEST(RequirementsTableTest, TellsNeedsApartThatDifferInSelectorsOnly) {
  NodeTable nodes(1);
  RequirementsTable table;
  NeedsSpec a = NeedsCpu(100);
  a.required_nodes = {{{.op = SelectorOp::kIn, .key = "zone", .values = {"a"}}}};
  NeedsSpec b = a;
  b.required_nodes[0][0].values = {"b"};
  EXPECT_NE(*table.Acquire(a, 0, nodes, false), *table.Acquire(b, 0, nodes, false));
}

TEST(RequirementsTableTest, ReusesANumberOnlyAfterItsLastUser) {
  NodeTable nodes(1);
  RequirementsTable table;
  const ShapeId shape = *table.Acquire(NeedsCpu(100), 0, nodes, false);
  ASSERT_EQ(*table.Acquire(NeedsCpu(100), 0, nodes, false), shape);
  table.Release(shape, nodes);
  EXPECT_NE(*table.Acquire(NeedsCpu(300), 0, nodes, false), shape);
  table.Release(shape, nodes);
  EXPECT_EQ(*table.Acquire(NeedsCpu(400), 0, nodes, false), shape);
  EXPECT_EQ(table.Get(shape).requests[kCpu], 400);
}

// A needs' every kind of name, with a value of its own.
NeedsSpec NamesOf(const std::string& value) {
  NeedsSpec needs = NeedsCpu(100);
  needs.node_selector = {{"disk" + value, value}};
  needs.required_nodes = {{{.op = SelectorOp::kIn, .key = "zone", .values = {value, "b"}}}};
  needs.preferred_nodes = {{.weight = 3, .selector = {{.op = SelectorOp::kExists, .key = value}}}};
  needs.tolerations = {{.key = "team", .value = value}};
  needs.devices = {{.kind = "gpu" + value, .models = {value}}};
  return needs;
}

TEST(RequirementsTableTest, HashesEveryValueThatUsersChoose) {
  NodeTable nodes(1);
  RequirementsTable table;
  const NeedsSpec base = NamesOf("a");
  std::vector<NeedsSpec> all(12, base);
  all[1].node_selector = {{"diska", "b"}};
  all[2].required_nodes[0][0].values = {"c", "b"};
  all[3].required_nodes[0][0].op = SelectorOp::kNotIn;
  all[4].required_nodes[0][0].key = "rack";
  all[5].required_nodes[0][0].bound = 7;
  all[6].preferred_nodes[0].weight = 4;
  all[7].preferred_nodes[0].selector[0].key = "d";
  all[8].tolerations[0].value = "e";
  all[9].tolerations[0].value.reset();
  all[10].tolerations[0].effect = TaintEffect::kNoSchedule;
  all[11].devices[0].models = {"f"};
  std::set<uint64_t> hashes;
  for (const NeedsSpec& needs : all) {
    hashes.insert(HashOf(table.Get(*table.Acquire(needs, 0, nodes, false))));
  }
  EXPECT_EQ(hashes.size(), all.size());
}

TEST(RequirementsTableTest, WhatJobsNamedIsForgottenWithThem) {
  NodeTable nodes(1);
  RequirementsTable table;
  const Names& names = nodes.names();
  for (int i = 0; i < 1000; ++i) {
    const NeedsSpec needs = NamesOf(std::to_string(i));
    const ShapeId first = *table.Acquire(needs, 0, nodes, false);
    ASSERT_EQ(*table.Acquire(needs, 0, nodes, false), first);
    table.Release(first, nodes);
    EXPECT_NE(names.kinds.Find("gpu" + std::to_string(i)), Dictionary::kNone);
    table.Release(first, nodes);
    EXPECT_EQ(names.kinds.Find("gpu" + std::to_string(i)), Dictionary::kNone);
  }
  EXPECT_LE(names.labels.size(), 4u);
  EXPECT_LE(names.keys.size(), 3u);
  EXPECT_EQ(names.kinds.size(), 1u);
  EXPECT_EQ(names.models.size(), 1u);
  EXPECT_EQ(table.size(), 1u);
}

TEST(RequirementsTableTest, WhatANodeNamesStays) {
  NodeTable nodes(1);
  RequirementsTable table;
  NeedsSpec needs = NeedsCpu(100);
  needs.node_selector = {{"zone", "a"}};
  const ShapeId shape = *table.Acquire(needs, 0, nodes, false);
  const LabelId zone = table.Get(shape).node_selector.at(0);
  EXPECT_FALSE(nodes.with_label(zone).Any());
  NodeSpec node;
  node.name = "n1";
  node.labels = {{"zone", "a"}};
  const Slot slot = *nodes.Put(node);
  // The job that was there first sees the node that brings its label.
  EXPECT_TRUE(nodes.with_label(zone).Test(slot));
  table.Release(shape, nodes);
  EXPECT_EQ(nodes.InternLabel("zone", "a"), zone);
  EXPECT_TRUE(nodes.with_label(zone).Test(slot));
}

// A value that only jobs name is not among those that a bound is compared with.
TEST(RequirementsTableTest, AKeysLabelsAreThoseOfNodes) {
  NodeTable nodes(1);
  RequirementsTable table;
  NodeSpec node;
  node.name = "n1";
  node.labels = {{"cores", "8"}};
  ASSERT_TRUE(nodes.Put(node).ok());
  NeedsSpec needs = NeedsCpu(100);
  needs.node_selector = {{"cores", "16"}};
  ASSERT_TRUE(table.Acquire(needs, 0, nodes, false).ok());
  EXPECT_EQ(nodes.labels_of_key(nodes.InternKey("cores")).size(), 1u);
}

TEST(RequirementsTableTest, RefusesAnExtendedResourceThatNoNodeEverHad) {
  NodeTable nodes(1);
  RequirementsTable table;
  NeedsSpec needs = NeedsCpu(100);
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
