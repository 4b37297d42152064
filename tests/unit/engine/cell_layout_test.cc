#include "engine/cell_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/cluster.h"

namespace berth::engine {
namespace {

using ::testing::ElementsAre;

using testing::Cluster;
using testing::NodeBuilder;

// a1 and a2 in zone a on fast disks, b1 in zone b on one, b2 in zone b on none, bare without
// labels.
class CellLayoutTest : public ::testing::Test {
 protected:
  CellLayoutTest() {
    cluster_.Add(NodeBuilder("a1").Label("zone", "a").Label("disk", "fast"));
    cluster_.Add(NodeBuilder("a2").Label("zone", "a").Label("disk", "fast"));
    cluster_.Add(NodeBuilder("b1").Label("zone", "b").Label("disk", "fast"));
    cluster_.Add(NodeBuilder("b2").Label("zone", "b"));
    cluster_.Add(NodeBuilder("bare"));
    zone_ = cluster_.table().InternKey("zone");
    disk_ = cluster_.table().InternKey("disk");
    cluster_.table().AddCounter(zone_);
    cluster_.table().AddCounter(disk_);
  }

  std::vector<std::vector<Slot>> Cells(const CellLayout& layout) {
    std::vector<std::vector<Slot>> cells;
    for (const CellLayout::Cell& cell : layout.cells()) {
      cells.push_back(cell.slots);
      std::sort(cells.back().begin(), cells.back().end());
    }
    std::sort(cells.begin(), cells.end());
    return cells;
  }

  Cluster cluster_;
  KeyId zone_, disk_;
};

TEST_F(CellLayoutTest, PutsNodesOfTheSameDomainsTogether) {
  const CellLayout layout(cluster_.table(), {{zone_, false}, {disk_, false}});
  EXPECT_THAT(Cells(layout),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3), ElementsAre(4)));
  for (Slot slot = 0; slot < 5; ++slot) {
    EXPECT_EQ(layout.cells()[layout.cell_of(slot)].slots[layout.place_of(slot)], slot);
  }
  EXPECT_THAT(layout.cells()[layout.cell_of(4)].domains, ElementsAre(kNoDomain, kNoDomain));
}

TEST_F(CellLayoutTest, LeavesOutNodesWithoutALabelThatIsRequired) {
  const CellLayout layout(cluster_.table(), {{zone_, true}});
  EXPECT_THAT(Cells(layout), ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_EQ(layout.cell_of(4), CellLayout::kNoCell);
}

TEST_F(CellLayoutTest, EachCellIsInOrderOfRank) {
  const CellLayout layout(cluster_.table(), {});
  ASSERT_EQ(layout.cells().size(), 1u);
  const CellLayout::Cell& all = layout.cells()[0];
  EXPECT_EQ(all.slots.size(), 5u);
  EXPECT_TRUE(std::is_sorted(all.ranks.begin(), all.ranks.end()));
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(cluster_.table().rank()[all.slots[i]], all.ranks[i]);
}

TEST_F(CellLayoutTest, NoticesANodeThatIsInTheWrongCell) {
  const CellLayout layout(cluster_.table(), {{zone_, true}});
  for (Slot slot = 0; slot < 5; ++slot) EXPECT_TRUE(layout.IsRightFor(cluster_.table(), slot));
  cluster_.Add(NodeBuilder("a2").Label("zone", "b"));
  EXPECT_FALSE(layout.IsRightFor(cluster_.table(), 1));
  cluster_.Add(NodeBuilder("bare").Label("zone", "c"));
  EXPECT_FALSE(layout.IsRightFor(cluster_.table(), 4));
  cluster_.table().Remove(2);
  EXPECT_FALSE(layout.IsRightFor(cluster_.table(), 2));
  cluster_.Add(NodeBuilder("new"));
  EXPECT_TRUE(layout.IsRightFor(cluster_.table(), 0));
}

TEST_F(CellLayoutTest, DoesNotKnowNodesThatCameLater) {
  const CellLayout layout(cluster_.table(), {{zone_, false}});
  cluster_.Add(NodeBuilder("new").Label("zone", "a"));
  EXPECT_FALSE(layout.IsRightFor(cluster_.table(), 5));
}

}  // namespace
}  // namespace berth::engine
