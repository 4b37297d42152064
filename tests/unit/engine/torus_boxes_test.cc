#include "berth/torus_boxes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "berth/device_sets.h"
#include "tests/support/naive_boxes.h"
#include "tests/support/node_builder.h"
#include "tests/support/random_cluster.h"

namespace berth {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NodeBuilder;

std::vector<DeviceRow> RowsOf(const state::NodeSpec& node) {
  std::vector<DeviceRow> rows;
  for (const state::DeviceSpec& device : node.devices) {
    DeviceRow row;
    row.torus = device.torus;
    rows.push_back(row);
  }
  return rows;
}

std::vector<DeviceRow> Torus(BoxExtents extents, uint8_t wraps = 0) {
  const int count = extents[0] * extents[1] * extents[2];
  return RowsOf(NodeBuilder("n").Devices("tpu", count, "v4", "32Gi").Torus(extents, wraps).Build());
}

DeviceNeed Box(BoxExtents box) {
  std::sort(box.begin(), box.end(), std::greater<>());
  return {.kind = KindId{0}, .count = box[0] * box[1] * box[2], .models = {}, .box = box};
}

using Sets = std::vector<std::vector<int>>;

Sets BoxSetsOf(const DeviceNeed& need, const std::vector<DeviceRow>& rows) {
  DeviceSets sets;
  sets.Find(need, rows);
  Sets found;
  for (size_t set = 0; set < sets.size(); ++set) {
    found.emplace_back(sets[set].begin(), sets[set].end());
  }
  return found;
}

TEST(TorusBoxesTest, TheFirstIsInACorner) {
  EXPECT_THAT(BoxSetsOf(Box({2, 2, 1}), Torus({4, 4, 1}))[0], ElementsAre(0, 1, 4, 5));
  // Then against it: a corner that is larger is left to larger boxes.
  auto rows = Torus({4, 4, 1});
  for (const size_t taken : {0u, 1u, 4u, 5u}) rows[taken].allocated_milli = 1000;
  EXPECT_THAT(BoxSetsOf(Box({2, 1, 1}), rows)[0], ElementsAre(2, 3));
}

TEST(TorusBoxesTest, ABoxIsTurned) {
  EXPECT_THAT(BoxSetsOf(Box({1, 4, 1}), Torus({4, 1, 1})), ElementsAre(ElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(BoxSetsOf(Box({1, 4, 1}), Torus({1, 1, 4})), ElementsAre(ElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(BoxSetsOf(Box({2, 2, 2}), Torus({4, 2, 1})), IsEmpty());
}

TEST(TorusBoxesTest, ABoxGoesRoundWhereTheAxisWraps) {
  auto rows = Torus({4, 1, 1}, /*wraps=*/1);
  rows[1].allocated_milli = 1000;
  rows[2].allocated_milli = 1;
  EXPECT_THAT(BoxSetsOf(Box({2, 1, 1}), rows), ElementsAre(ElementsAre(0, 3)));
  for (DeviceRow& row : rows) row.torus.wraps = 2;
  EXPECT_THAT(BoxSetsOf(Box({2, 1, 1}), rows), IsEmpty());
}

TEST(TorusBoxesTest, DevicesWithoutAPlaceAreInNoBox) {
  auto rows = Torus({4, 1, 1});
  rows[1].torus = {};
  EXPECT_THAT(BoxSetsOf(Box({2, 1, 1}), rows), ElementsAre(ElementsAre(2, 3)));
  EXPECT_THAT(BoxSetsOf(Box({1, 1, 1}), std::vector<DeviceRow>(3)), IsEmpty());
}

TEST(TorusBoxesTest, SetsThatDifferAreAtMost64) {
  auto rows = Torus({20, 20, 1});
  for (size_t i = 0; i < rows.size(); ++i) rows[i].model = ModelId{static_cast<uint32_t>(i)};
  EXPECT_EQ(BoxSetsOf(Box({2, 2, 1}), rows).size(), DeviceSets::kMostSets);
}

TEST(TorusBoxesTest, AreThoseThatAPlainSearchFinds) {
  base::Rng rng(testing::TestSeed(7));
  int found = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto extent = [&](int most) {
      return static_cast<uint8_t>(testing::Between(rng, 1, most));
    };
    NodeBuilder builder("n");
    const BoxExtents extents = {extent(5), extent(3), extent(3)};
    builder.Devices("tpu", extents[0] * extents[1] * extents[2], "v4", "32Gi");
    builder.Torus(extents, static_cast<uint8_t>(rng.Uniform(8)));
    state::NodeSpec node = builder.Build();
    std::erase_if(node.devices, [&](const auto&) { return testing::Chance(rng, 20); });
    const BoxExtents box = {extent(4), extent(2), extent(2)};
    const auto expected = testing::AllBoxes(node, "tpu", {box[0], box[1], box[2]});

    const std::vector<DeviceRow> rows = RowsOf(node);
    std::vector<uint16_t> positions(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) positions[i] = static_cast<uint16_t>(i);
    TorusBoxes boxes;
    boxes.Put(positions, rows);
    std::set<std::set<size_t>> seen;
    boxes.ForEach(box, [&](std::span<const uint16_t> members) {
      EXPECT_TRUE(seen.emplace(members.begin(), members.end()).second) << "a box is there twice";
      return true;
    });
    ASSERT_EQ(seen, expected) << "round " << round;
    ASSERT_EQ(boxes.HasBox(box), !expected.empty());
    found += static_cast<int>(seen.size());
  }
  EXPECT_GT(found, 2000);
}

}  // namespace
}  // namespace berth
