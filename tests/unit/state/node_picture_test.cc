#include "state/node_picture.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "state/node_table.h"
#include "state/requirements_table.h"
#include "tests/support/random_cluster.h"

namespace berth::state {
namespace {

using berth::testing::Between;
using berth::testing::Chance;
using berth::testing::RandomNode;

// Somebody outside: puts pages over one another.
class Reader {
 public:
  // False: there is more to read.
  bool Read(const NodeTable& table, size_t most) {
    PicturePage page = ReadPictures(table, cursor_, most);
    if (page.from_start) {
      nodes_.clear();
      ++starts_;
    }
    EXPECT_LE(page.nodes.size(), most);
    for (NodePicture& node : page.nodes) nodes_[node.slot] = std::move(node);
    cursor_ = page.next;
    return page.complete;
  }
  void Expect(const NodeTable& table) const {
    for (Slot slot = 0; slot < table.size(); ++slot) {
      const auto it = nodes_.find(slot);
      ASSERT_NE(it, nodes_.end()) << "slot " << slot;
      const NodePicture& node = it->second;
      ASSERT_EQ(node.spec != nullptr, table.Holds(slot)) << "slot " << slot;
      if (node.spec == nullptr) continue;
      EXPECT_EQ(node.spec, table.spec_ptr(slot));
      EXPECT_EQ(node.generation, table.generation(slot));
      EXPECT_EQ(node.ready, table.ready().Test(slot));
      EXPECT_EQ(node.cordoned, table.cordoned().Test(slot));
      EXPECT_EQ(node.tasks, table.task_count(slot));
      for (ResourceIndex i = 0; i < kFirstExtended; ++i) {
        EXPECT_EQ(node.allocated.builtin[i], table.allocated(i)[slot]);
      }
      ASSERT_EQ(node.devices.size(), table.devices(slot).size());
      for (size_t d = 0; d < node.devices.size(); ++d) {
        EXPECT_EQ(node.devices[d].allocated_milli, table.devices(slot)[d].allocated_milli);
      }
    }
  }
  int starts() const { return starts_; }

 private:
  std::map<Slot, NodePicture> nodes_;
  std::optional<PictureCursor> cursor_;
  int starts_ = 0;
};

TEST(NodePictureTest, WhoeverReadsOnHasTheTableAsItIs) {
  base::Rng rng(berth::testing::TestSeed(7));
  int restarts = 0, interleaved = 0;
  for (int walk = 0; walk < 200; ++walk) {
    NodeTable table(1);
    TaskRequirements needs;
    needs.requests[kCpu] = 10;
    Reader reader;
    const auto most = static_cast<size_t>(Between(rng, 1, 40));
    int next = 0;
    for (int step = 0; step < 60; ++step) {
      for (int change = Between(rng, 0, 12); change > 0; --change) {
        const auto slot = static_cast<Slot>(rng.Uniform(table.size() + 1));
        if (!table.Holds(slot)) {
          ASSERT_TRUE(table.Put(RandomNode(rng, "n" + std::to_string(next++))).ok());
        } else if (Chance(rng, 30)) {
          table.SetReady(slot, Chance(rng, 50));
        } else if (Chance(rng, 60)) {
          table.Allocate(slot, needs, {});
        } else if (table.task_count(slot) > 0) {
          table.Release(slot, needs, {});
        } else {
          table.Remove(slot);
        }
      }
      if (Chance(rng, 5) && table.size() > 0 && table.Holds(0)) {
        for (int i = 0; i < 5000; ++i) table.SetReady(0, i % 2 == 0);  // more than the log keeps
      }
      if (!reader.Read(table, most)) {
        ++interleaved;
        continue;
      }
      reader.Expect(table);
      if (HasFatalFailure()) return;
    }
    while (!reader.Read(table, most)) {
    }
    reader.Expect(table);
    restarts += reader.starts() > 1;
  }
  EXPECT_GT(restarts, 10);
  EXPECT_GT(interleaved, 100);
}

TEST(NodePictureTest, TellsNothingWhenNothingHasChanged) {
  NodeTable table(1);
  base::Rng rng(1);
  ASSERT_TRUE(table.Put(RandomNode(rng, "n0")).ok());
  const PicturePage first = ReadPictures(table, std::nullopt, 10);
  EXPECT_TRUE(first.from_start);
  EXPECT_TRUE(first.complete);
  EXPECT_EQ(first.nodes.size(), 1u);
  const PicturePage second = ReadPictures(table, first.next, 10);
  EXPECT_FALSE(second.from_start);
  EXPECT_TRUE(second.complete);
  EXPECT_TRUE(second.nodes.empty());
}

}  // namespace
}  // namespace berth::state
