#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/trial.h"
#include "pipeline/table_context.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_plugins.h"
#include "tests/support/pipeline_harness.h"
#include "tests/support/status_text.h"

namespace berth::engine {
namespace {

using testing::Behaviour;
using testing::Cluster;
using testing::FakeFactory;
using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;
using testing::Text;

// Two plugins, A and B, each filter and score, A of weight 2 and B of weight 1.
class EngineTest : public ::testing::Test {
 protected:
  void AddNodes(int count) { cluster_.AddMany("n", count, NodeBuilder("")); }

  absl::StatusOr<Placement> Place() {
    PluginRegistry registry;
    registry.Register("A", FakeFactory("A", a_));
    registry.Register("B", FakeFactory("B", b_));
    pipeline::TableContext context(cluster_.table().names());
    pipeline::ProfileOptions options;
    options.queue_sort = "A";
    const pipeline::ProfileDefaults defaults{
        .filters = {"A", "B"}, .scores = {{"A", 2}, {"B", 1}}, .required_filters = {}};
    auto profile = pipeline::CompileProfile(options, "profiles[0]", registry, context, defaults);
    EXPECT_TRUE(profile.ok()) << Text(profile);
    // A profile of its own each time, so nothing is known of the one before.
    return Engine(cluster_.table()).Place(profile->placing(), {0, 1}, {needs_, {}});
  }

  // Of the nodes in [first, last), the one of lowest rank.
  Slot LowestRank(Slot first, Slot last) const {
    Slot lowest = first;
    for (Slot slot = first; slot < last; ++slot) {
      if (cluster_.table().rank()[slot] < cluster_.table().rank()[lowest]) lowest = slot;
    }
    return lowest;
  }

  Cluster cluster_;
  Behaviour a_, b_;
  TaskRequirements needs_;
};

TEST_F(EngineTest, FindsNoSlotInAnEmptyCluster) {
  const auto placement = Place();
  EXPECT_EQ(placement->slot, kNoSlot);
  EXPECT_EQ(placement->nodes_feasible, 0);
}

TEST_F(EngineTest, FindsNoSlotWhenFiltersRemoveAll) {
  AddNodes(3);
  a_.passes = [](Slot slot) { return slot == 1; };
  b_.passes = [](Slot slot) { return slot == 2; };
  EXPECT_EQ(Place()->slot, kNoSlot);
}

TEST_F(EngineTest, TakesTheHighestWeightedSum) {
  AddNodes(3);
  a_.score = [](Slot slot) { return slot == 0 ? 300 : 0; };
  b_.score = [](Slot slot) { return slot == 2 ? 601 : 0; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 2u);
  EXPECT_EQ(placement->total, 601);
  EXPECT_EQ(placement->runner_up, 0u);
  EXPECT_EQ(placement->runner_up_total, 600);
}

TEST_F(EngineTest, LeavesOutNodesThatDoNotFitHoweverGood) {
  AddNodes(200);
  a_.score = [](Slot slot) { return static_cast<int32_t>(slot); };
  b_.passes = [](Slot slot) { return slot < 150 && slot != 149; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 148u);
  EXPECT_EQ(placement->runner_up, 147u);
  EXPECT_EQ(placement->nodes_feasible, 149);
}

TEST_F(EngineTest, GivesTiesToTheLowerRank) {
  AddNodes(300);
  const auto placement = Place();
  EXPECT_EQ(placement->slot, LowestRank(0, 300));
  EXPECT_EQ(placement->runner_up_total, placement->total);
}

TEST_F(EngineTest, GivesTiesOfTheBestToTheLowerRank) {
  AddNodes(300);
  a_.score = [](Slot slot) { return slot >= 100 && slot < 200 ? kMaxScore : kMaxScore - 1; };
  EXPECT_EQ(Place()->slot, LowestRank(100, 200));
}

TEST_F(EngineTest, FindsTheRunnerUpWhereverItStands) {
  AddNodes(256);
  for (const auto& [best, second] :
       std::vector<std::pair<Slot, Slot>>{{0, 255}, {255, 0}, {64, 63}, {130, 131}, {7, 200}}) {
    a_.score = [&](Slot slot) { return slot == best ? 9 : slot == second ? 8 : 7; };
    const auto placement = Place();
    EXPECT_EQ(placement->slot, best);
    EXPECT_EQ(placement->runner_up, second);
    EXPECT_EQ(placement->runner_up_total, 16);
  }
}

TEST_F(EngineTest, HasNoRunnerUpOnASingleNode) {
  AddNodes(1);
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 0u);
  EXPECT_EQ(placement->runner_up, kNoSlot);
  EXPECT_EQ(placement->runner_up_total, 0);
}

TEST_F(EngineTest, TellsTheWinnersScoreByPlugin) {
  AddNodes(2);
  a_.score = [](Slot slot) { return slot == 1 ? 5 : 0; };
  b_.score = [](Slot) { return 7; };
  const auto placement = Place();
  EXPECT_EQ(placement->plugin_scores[0], 5);
  EXPECT_EQ(placement->plugin_scores[1], 7);
  EXPECT_EQ(placement->total, 17);
}

TEST_F(EngineTest, LeavesOutAScoreThatSkipsTheTask) {
  AddNodes(2);
  a_.score = [](Slot slot) { return slot == 1 ? 5 : 0; };
  a_.skips = true;
  b_.score = [](Slot slot) { return slot == 0 ? 1 : 0; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 0u);
  EXPECT_EQ(placement->plugin_scores[0], 0);
}

TEST_F(EngineTest, HoldsTheLargestTotals) {
  AddNodes(70);
  a_.score = [](Slot) { return kMaxScore; };
  b_.score = [](Slot slot) { return slot == 69 ? kMaxScore : kMaxScore - 1; };
  const auto placement = Place();
  EXPECT_EQ(placement->slot, 69u);
  EXPECT_EQ(placement->total, 3 * int64_t{kMaxScore});
}

TEST_F(EngineTest, LeavesOutSlotsWithoutANode) {
  AddNodes(3);
  cluster_.table().Remove(1);
  a_.score = [](Slot slot) { return slot == 1 ? 5 : 0; };
  const auto placement = Place();
  EXPECT_EQ(placement->nodes_feasible, 2);
  EXPECT_NE(placement->slot, 1u);
}

TEST_F(EngineTest, NamesThePluginThatCannotWork) {
  AddNodes(1);
  b_.filter_status = absl::InternalError("no idea");
  EXPECT_EQ(Text(Place()), "INTERNAL: plugin \"B\" cannot filter: no idea");
  b_.filter_status = absl::OkStatus();
  b_.score_status = absl::InternalError("no idea");
  EXPECT_EQ(Text(Place()), "INTERNAL: plugin \"B\" cannot score: no idea");
  b_.score_status = absl::OkStatus();
  b_.reserve_status = absl::InternalError("no idea");
  EXPECT_EQ(Text(Place()), "INTERNAL: plugin \"B\" cannot reserve: no idea");
}

TEST_F(EngineTest, RefusesScoresOutOfRange) {
  AddNodes(1);
  a_.score = [](Slot) { return -1; };
  EXPECT_EQ(Text(Place()),
            "INTERNAL: plugin \"A\" cannot score: it gave a score that is not from 0 to 1048576");
}

TEST_F(EngineTest, ChangesNothing) {
  PipelineHarness harness;
  harness.cluster.Add(NodeBuilder("n").Gpus(2));
  const TaskRequirements& needs = harness.cluster.Needs(TaskBuilder().Cpu(1).Gpus(1));
  const Placement first = harness.Place(needs);
  EXPECT_EQ(harness.Place(needs).reservation, first.reservation);
  EXPECT_EQ(harness.cluster.table().allocated(kCpu)[0], 0);
}

TEST_F(EngineTest, NamesAPluginThatThrows) {
  AddNodes(1);
  a_.is_scoped = true;
  const auto error_in = [&](const char* function, Scope scope) {
    a_.throws_in = function;
    a_.scope = scope;
    return Text(Place());
  };
  const std::string threw = ": it threw: out of luck";
  EXPECT_EQ(error_in("Filter", Scope::kNode), "INTERNAL: plugin \"A\" cannot filter" + threw);
  EXPECT_EQ(error_in("PassesAll", Scope::kNode),
            "INTERNAL: plugin \"A\" cannot say whether it passes all" + threw);
  EXPECT_EQ(error_in("Skips", Scope::kNode),
            "INTERNAL: plugin \"A\" cannot say whether it skips a task" + threw);
  EXPECT_EQ(error_in("AppendKeys", Scope::kDomain),
            "INTERNAL: plugin \"A\" cannot name its keys" + threw);
  EXPECT_EQ(error_in("IsLocal", Scope::kDomain),
            "INTERNAL: plugin \"A\" cannot say whether it is local" + threw);
  EXPECT_EQ(error_in("AppendSlots", Scope::kSparse),
            "INTERNAL: plugin \"A\" cannot name its nodes" + threw);
}

TEST_F(EngineTest, RefusesSlotsThatThereAreNot) {
  AddNodes(1);
  a_.is_scoped = true;
  a_.scope = Scope::kSparse;
  a_.names_slot = 0;
  EXPECT_TRUE(Place().ok());
  a_.names_slot = static_cast<Slot>(cluster_.table().size());
  EXPECT_EQ(Text(Place()),
            "INTERNAL: plugin \"A\" cannot name its nodes: it named a slot that there is not");
}

// A profile is one for as long as the engine knows it.
TEST_F(EngineTest, APluginThatThrewOnceIsAskedAgain) {
  AddNodes(1);
  PluginRegistry registry;
  registry.Register("A", FakeFactory("A", a_));
  pipeline::TableContext context(cluster_.table().names());
  pipeline::ProfileOptions options;
  options.queue_sort = "A";
  const pipeline::ProfileDefaults defaults{
      .filters = {"A"}, .scores = {{"A", 2}}, .required_filters = {}};
  const auto profile =
      pipeline::CompileProfile(options, "profiles[0]", registry, context, defaults);
  ASSERT_TRUE(profile.ok()) << Text(profile);
  Engine engine(cluster_.table());
  a_.throws_in = "PassesAll";
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(engine.Place(profile->placing(), {0, 1}, {needs_, {}}).ok());
  }
  a_.throws_in.clear();
  EXPECT_EQ(engine.Place(profile->placing(), {0, 1}, {needs_, {}})->slot, 0u);
}

// One engine over many changes, with the plugins of the default profile.
class EngineOverTimeTest : public ::testing::Test {
 protected:
  EngineOverTimeTest() {
    harness_.cluster.AddMany("n", 600, NodeBuilder("").Cpu(16).Memory("64Gi"));
  }

  const Engine::Counters& counters() const { return harness_.engine().counters(); }
  state::NodeTable& table() { return harness_.cluster.table(); }

  PipelineHarness harness_;
  const TaskRequirements& needs_ = harness_.cluster.Needs(TaskBuilder().Cpu(1).Memory("1Gi"));
};

TEST_F(EngineOverTimeTest, AsksOnceAboutAllNodesAndThenAboutThoseThatChanged) {
  for (int i = 0; i < 10; ++i) harness_.Bind(needs_);
  EXPECT_EQ(counters().rebuilds, 1);
  EXPECT_EQ(counters().updates, 9);
  EXPECT_EQ(counters().updated, 9);
}

TEST_F(EngineOverTimeTest, DoesNothingWhenNothingChanged) {
  harness_.Place(needs_);
  harness_.engine().TakeWork();
  harness_.Place(needs_);
  EXPECT_EQ(harness_.engine().TakeWork(), 1);
}

TEST_F(EngineOverTimeTest, AsksAboutASlotOnceHoweverOftenItChanged) {
  const Slot slot = harness_.Place(needs_).slot;
  for (int i = 0; i < 20; ++i) table().Allocate(slot, needs_, {});
  for (int i = 0; i < 19; ++i) table().Release(slot, needs_, {});
  harness_.Place(needs_);
  EXPECT_EQ(counters().updated, 1);
}

TEST_F(EngineOverTimeTest, AsksAboutAllNodesAgainWhenTooManyChanged) {
  harness_.Place(needs_);
  for (Slot slot = 0; slot < 600; ++slot) table().Allocate(slot, needs_, {});
  harness_.Place(needs_);
  EXPECT_EQ(counters().rebuilds, 2);
}

TEST_F(EngineOverTimeTest, AsksAboutNoNodeWithDevicesThatDidNotChange) {
  harness_.cluster.AddMany("g", 600, NodeBuilder("").Cpu(16).Memory("64Gi").Gpus(2));
  const TaskRequirements& needs = harness_.cluster.Needs(TaskBuilder().Cpu(1).Gpus(1));
  const engine::Placement placed = harness_.Place(needs);
  for (int i = 0; i < 600; ++i) {
    table().Allocate(placed.slot, needs, placed.reservation);
    table().Release(placed.slot, needs, placed.reservation);
  }
  harness_.Place(needs);
  EXPECT_EQ(counters().rebuilds, 1) << "1200 changes of 1200 nodes";
  EXPECT_EQ(counters().updated, 1);
}

TEST_F(EngineOverTimeTest, SeesNodesThatCameWithTheTableGrowing) {
  harness_.Bind(needs_);
  // More than the ranks' capacity, so that all ranks are drawn again.
  harness_.cluster.AddMany("later", 600, NodeBuilder("").Cpu(64).Memory("512Gi"));
  EXPECT_EQ(harness_.Place(needs_).nodes_feasible, 1200);
  EXPECT_EQ(harness_.Bind(needs_).rfind("later", 0), 0u);
}

TEST_F(EngineOverTimeTest, SeesCordonsLabelsAndRemovals) {
  const TaskRequirements& picky = harness_.cluster.Needs(TaskBuilder().Cpu(1).Selects("zone", "a"));
  EXPECT_EQ(harness_.Place(picky).slot, kNoSlot);
  harness_.cluster.Add(NodeBuilder("n5").Cpu(16).Label("zone", "a"));
  EXPECT_EQ(harness_.Place(picky).slot, harness_.cluster.At("n5"));
  table().SetCordoned(harness_.cluster.At("n5"), true);
  EXPECT_EQ(harness_.Place(picky).slot, kNoSlot);
  table().SetCordoned(harness_.cluster.At("n5"), false);
  EXPECT_EQ(harness_.Place(picky).slot, harness_.cluster.At("n5"));
  table().Remove(harness_.cluster.At("n5"));
  EXPECT_EQ(harness_.Place(picky).slot, kNoSlot);
}

TEST_F(EngineOverTimeTest, ForgetsTheLeastRecentlyUsedShapesWhenTheyTakeTooMuch) {
  Engine engine(table(), {.memory_bytes = 9000});
  std::vector<const TaskRequirements*> shapes;
  for (int cpus = 1; cpus <= 8; ++cpus) {
    shapes.push_back(&harness_.cluster.Needs(TaskBuilder().Cpu(cpus)));
  }
  for (int round = 0; round < 3; ++round) {
    for (const TaskRequirements* shape : shapes) {
      const auto placement =
          engine.Place(harness_.profile().placing(), harness_.cluster.KeyOf(*shape), {*shape, {}});
      EXPECT_EQ(placement->slot, harness_.Place(*shape).slot);
      EXPECT_LE(engine.bytes(), 9000u);
    }
  }
  EXPECT_GT(engine.counters().evictions, 10);
}

TEST_F(EngineOverTimeTest, TellsShapesApartThatHadOneNumberAfterAnother) {
  Engine engine(table());
  const PluginSet& plugins = harness_.profile().placing();
  const TaskRequirements& large = harness_.cluster.Needs(TaskBuilder().Cpu(64));
  EXPECT_NE(engine.Place(plugins, {7, 1}, {needs_, {}})->slot, kNoSlot);
  EXPECT_EQ(engine.Place(plugins, {7, 2}, {large, {}})->slot, kNoSlot);
}

TEST_F(EngineOverTimeTest, PlacesOnTrialAsIfItWereReal) {
  const Slot first = harness_.Place(needs_).slot;
  {
    Trial trial(table(), harness_.engine());
    table().Allocate(first, needs_, {});
    EXPECT_NE(harness_.Place(needs_).slot, first);
  }
  EXPECT_EQ(harness_.Place(needs_).slot, first);
  {
    Trial trial(table(), harness_.engine());
    table().Allocate(first, needs_, {});
    trial.Keep();
  }
  EXPECT_NE(harness_.Place(needs_).slot, first);
}

}  // namespace
}  // namespace berth::engine
