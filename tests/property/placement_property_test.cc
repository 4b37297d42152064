// Placement against a cluster kept and searched in the simplest way, over random operations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "state/rank.h"
#include "tests/property/naive_cluster.h"
#include "tests/support/pipeline_harness.h"
#include "tests/support/random_cluster.h"

namespace berth {
namespace {

using testing::Between;
using testing::Chance;
using testing::NaiveCluster;
using testing::PipelineHarness;
using testing::RandomNeeds;
using testing::RandomNode;

constexpr uint64_t kTableSeed = 42;

// A bound task.
struct Bound {
  std::string node;
  state::NeedsSpec needs;
  Reservation reservation;
};

// The real cluster and the naive one, changed together.
class Twins {
 public:
  explicit Twins(base::Rng& rng) : rng_(rng), harness_({}, kTableSeed) {}

  void AddNode() {
    state::NodeSpec spec = RandomNode(rng_, "n" + std::to_string(next_node_++));
    harness_.cluster.Add(spec);
    NaiveCluster::Node node;
    node.devices.resize(spec.devices.size());
    node.spec = std::move(spec);
    naive_.nodes[node.spec.name] = node;
    // Growth of the table draws all ranks anew.
    for (auto& [name, other] : naive_.nodes) {
      other.rank = state::RankOf(kTableSeed, table().Find(name), table().rank_capacity());
    }
  }

  // Other labels and taints on a node that stays.
  void Describe() {
    NaiveCluster::Node& node = AnyNode();
    const state::NodeSpec fresh = RandomNode(rng_, node.spec.name);
    node.spec.labels = fresh.labels;
    node.spec.taints = fresh.taints;
    ASSERT_TRUE(table().Put(node.spec).ok());
  }

  void TurnSwitch() {
    NaiveCluster::Node& node = AnyNode();
    const Slot slot = table().Find(node.spec.name);
    if (Chance(rng_, 50)) {
      node.ready = !node.ready;
      table().SetReady(slot, node.ready);
    } else {
      node.cordoned = !node.cordoned;
      table().SetCordoned(slot, node.cordoned);
    }
  }

  void Measure() {
    NaiveCluster::Node& node = AnyNode();
    node.usage = Between(rng_, -1, 16);
    table().SetUsage(table().Find(node.spec.name), node.usage);
  }

  void RemoveIdleNode() {
    const std::string name = AnyNode().spec.name;
    if (naive_.nodes.size() == 1 || table().task_count(table().Find(name)) > 0) return;
    table().Remove(table().Find(name));
    naive_.nodes.erase(name);
  }

  void Release() {
    if (bound_.empty()) return;
    const size_t i = rng_.Uniform(bound_.size());
    std::swap(bound_[i], bound_.back());
    const Bound& task = bound_.back();
    table().Release(table().Find(task.node), harness_.cluster.Needs(task.needs), task.reservation);
    naive_.Book(task.node, task.needs, task.reservation, -1);
    bound_.pop_back();
  }

  // Both choose; both must choose the same, for the same reasons.
  void Place() {
    const state::NeedsSpec needs = RandomNeeds(rng_);
    const TaskRequirements& requirements = harness_.cluster.Needs(needs);
    const std::vector<NaiveCluster::Candidate> expected = naive_.Rank(needs);
    const engine::Placement placement = harness_.Place(requirements);

    ASSERT_EQ(placement.nodes_feasible, static_cast<int64_t>(expected.size()));
    const pipeline::Explanation explained = harness_.Explain(requirements);
    ASSERT_EQ(explained.placeability == pipeline::Placeability::kFitsNow, !expected.empty());
    if (expected.empty()) {
      ASSERT_EQ(placement.slot, kNoSlot);
      ++unplaced_;
      return;
    }
    ASSERT_EQ(harness_.cluster.NameOf(placement.slot), expected[0].node);
    ASSERT_EQ(placement.total, expected[0].total);
    for (size_t i = 0; i < expected[0].scores.size(); ++i) {
      ASSERT_EQ(placement.plugin_scores[i], expected[0].scores[i]) << "score " << i;
    }
    ASSERT_EQ(harness_.cluster.NameOf(placement.runner_up),
              expected.size() > 1 ? expected[1].node : "");
    ASSERT_EQ(placement.runner_up_total, expected.size() > 1 ? expected[1].total : 0);
    ASSERT_TRUE(naive_.MayGrant(expected[0].node, needs, placement.reservation));

    table().Allocate(placement.slot, requirements, placement.reservation);
    naive_.Book(expected[0].node, needs, placement.reservation, 1);
    bound_.push_back({expected[0].node, needs, placement.reservation});
    ++placed_;
  }

  // No node is promised more than it has.
  void CheckBooks() {
    for (const auto& [name, node] : naive_.nodes) {
      const Slot slot = table().Find(name);
      for (ResourceIndex r = 0; r < table().resource_count(); ++r) {
        ASSERT_GE(table().allocated(r)[slot], 0) << name;
        ASSERT_LE(table().allocated(r)[slot], table().capacity(r)[slot]) << name;
      }
      for (size_t i = 0; i < node.devices.size(); ++i) {
        const DeviceRow& row = table().devices(slot)[i];
        ASSERT_EQ(row.allocated_milli, node.devices[i].milli) << name;
        ASSERT_EQ(row.allocated_memory_mib, node.devices[i].memory_mib) << name;
        ASSERT_LE(row.allocated_milli, 1000) << name;
        ASSERT_LE(row.allocated_memory_mib, row.memory_mib) << name;
      }
    }
  }

  void ReleaseAll() {
    while (!bound_.empty()) Release();
    for (const auto& [name, node] : naive_.nodes) {
      const Slot slot = table().Find(name);
      for (ResourceIndex r = 0; r < table().resource_count(); ++r) {
        ASSERT_EQ(table().allocated(r)[slot], 0) << name;
      }
      for (const DeviceRow& row : table().devices(slot)) {
        ASSERT_EQ(row.allocated_milli, 0) << name;
        ASSERT_EQ(row.allocated_memory_mib, 0) << name;
      }
      ASSERT_EQ(table().task_count(slot), 0) << name;
    }
  }

  int placed() const { return placed_; }
  int unplaced() const { return unplaced_; }

 private:
  state::NodeTable& table() { return harness_.cluster.table(); }
  NaiveCluster::Node& AnyNode() {
    auto it = naive_.nodes.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(rng_.Uniform(naive_.nodes.size())));
    return it->second;
  }

  base::Rng& rng_;
  PipelineHarness harness_;
  NaiveCluster naive_;
  std::vector<Bound> bound_;
  int next_node_ = 0;
  int placed_ = 0;
  int unplaced_ = 0;
};

TEST(PlacementPropertyTest, ChoosesWhatANaiveSearchChooses) {
  base::Rng rng(testing::TestSeed(17));
  int placed = 0, unplaced = 0;
  for (int round = 0; round < 30; ++round) {
    Twins twins(rng);
    for (int i = Between(rng, 1, 150); i > 0; --i) twins.AddNode();
    for (int step = 0; step < 400; ++step) {
      SCOPED_TRACE("round " + std::to_string(round) + " step " + std::to_string(step));
      const int32_t dice = Between(rng, 0, 99);
      if (dice < 60) {
        twins.Place();
      } else if (dice < 80) {
        twins.Release();
      } else if (dice < 88) {
        twins.TurnSwitch();
      } else if (dice < 92) {
        twins.Describe();
      } else if (dice < 94) {
        twins.Measure();
      } else if (dice < 97) {
        twins.AddNode();
      } else {
        twins.RemoveIdleNode();
      }
      if (HasFatalFailure()) return;
    }
    twins.CheckBooks();
    twins.ReleaseAll();
    if (HasFatalFailure()) return;
    placed += twins.placed();
    unplaced += twins.unplaced();
  }
  // The draw must keep asking real questions: tasks that fit, and tasks that do not.
  EXPECT_GT(placed, 2000);
  EXPECT_GT(unplaced, 200);
}

}  // namespace
}  // namespace berth
