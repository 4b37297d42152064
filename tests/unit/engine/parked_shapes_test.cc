#include "engine/parked_shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/pipeline_harness.h"

namespace berth::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;

constexpr state::ShapeId kSmall = 3;
constexpr state::ShapeId kLarge = 8;

// Two nodes of 8 CPUs, full; a small shape and a large one wait.
class ParkedShapesTest : public ::testing::Test {
 protected:
  ParkedShapesTest() {
    harness_.cluster.AddMany("n", 2, NodeBuilder("").Cpu(8).Memory("8Gi"));
    for (const Slot slot : {0u, 1u}) {
      for (int i = 0; i < 8; ++i) table().Allocate(slot, one_, {});
    }
    parked_.Wake();
    Park(kSmall, small_);
    Park(kLarge, large_);
  }

  state::NodeTable& table() { return harness_.cluster.table(); }
  void Park(state::ShapeId shape, const TaskRequirements& needs) {
    parked_.Park(shape, harness_.profile().placing(), needs);
  }
  void Free(Slot slot, int cpus) {
    for (int i = 0; i < cpus; ++i) table().Release(slot, one_, {});
  }

  PipelineHarness harness_;
  const TaskRequirements& one_ = harness_.cluster.Needs(TaskBuilder().Cpu(1).Memory("1Gi"));
  const TaskRequirements& small_ = harness_.cluster.Needs(TaskBuilder().Cpu(2).Memory("1Gi"));
  const TaskRequirements& large_ = harness_.cluster.Needs(TaskBuilder().Cpu(6).Memory("1Gi"));
  ParkedShapes parked_{harness_.cluster.table()};
};

TEST_F(ParkedShapesTest, WakesNobodyAndDoesNothingWhileNothingIsFreed) {
  table().SetCordoned(0, true);
  EXPECT_THAT(parked_.Wake(), IsEmpty());
  EXPECT_EQ(parked_.TakeWork(), 0);
}

// A task that keeps a rule's tasks out of the rest of its zone gives all of it free, wherever it
// was.
TEST_F(ParkedShapesTest, AShapeWithRulesWakesWhenACounterOfThemChanges) {
  const KeyId zone{table().names().keys.Acquire("zone")};
  const CounterId counter = table().AddCounter(zone);
  const CounterId other = table().AddCounter(zone);
  TaskRequirements counted = one_, ruled = one_, elsewhere = one_;
  counted.counted_in = {counter};
  elsewhere.counted_in = {other};
  ruled.terms = {{.kind = TermKind::kAntiAffinity, .key = zone, .counter = counter}};
  constexpr state::ShapeId kRuled = 5;
  for (const char* name : {"z0", "z1"}) {
    harness_.cluster.Add(NodeBuilder(name).Cpu(2).Memory("8Gi").Label("zone", "a"));
  }
  const Slot z0 = table().Find("z0"), z1 = table().Find("z1");
  table().Allocate(z0, counted, {});
  table().Allocate(z1, elsewhere, {});
  parked_.Wake();
  Park(kRuled, ruled);
  table().Allocate(z1, elsewhere, {});
  EXPECT_TRUE(parked_.MayWake());
  EXPECT_THAT(parked_.Wake(), IsEmpty()) << "a counter of others";
  EXPECT_FALSE(parked_.MayWake());
  // z0 has too little for others still.
  table().Allocate(z0, elsewhere, {});
  table().Release(z0, counted, {});
  EXPECT_THAT(parked_.Wake(), ElementsAre(kRuled));
  // Which nodes there are decides what its domains are.
  Park(kRuled, ruled);
  table().SetCordoned(z1, true);
  EXPECT_THAT(parked_.Wake(), ElementsAre(kRuled));
}

TEST_F(ParkedShapesTest, WakesWhomItSufficesFor) {
  Free(0, 1);
  EXPECT_THAT(parked_.Wake(), IsEmpty());
  Free(0, 1);
  EXPECT_THAT(parked_.Wake(), ElementsAre(kSmall));
  Free(0, 3);
  EXPECT_THAT(parked_.Wake(), IsEmpty());
  Free(0, 1);
  EXPECT_THAT(parked_.Wake(), ElementsAre(kLarge));
  EXPECT_EQ(parked_.size(), 0u);
}

TEST_F(ParkedShapesTest, WhatIsFreeOnTwoNodesIsNotFreeOnOne) {
  Free(0, 1);
  Free(1, 1);
  EXPECT_THAT(parked_.Wake(), IsEmpty());
}

TEST_F(ParkedShapesTest, WhatIsTakenAgainBeforeAnybodyLookedWakesNobody) {
  Free(0, 2);
  table().Allocate(0, one_, {});
  EXPECT_THAT(parked_.Wake(), IsEmpty());
}

TEST_F(ParkedShapesTest, ARoomyNodeThatIsClosedWakesNobodyUntilItIsOpened) {
  table().SetCordoned(0, true);
  Free(0, 8);
  EXPECT_THAT(parked_.Wake(), IsEmpty());
  table().SetCordoned(0, false);
  EXPECT_THAT(parked_.Wake(), ElementsAre(kSmall, kLarge));
}

TEST_F(ParkedShapesTest, ANewNodeWakes) {
  harness_.cluster.Add(NodeBuilder("n2").Cpu(4).Memory("8Gi"));
  EXPECT_THAT(parked_.Wake(), ElementsAre(kSmall));
}

TEST_F(ParkedShapesTest, ALabelWakes) {
  Free(0, 4);
  parked_.Wake();
  const TaskRequirements& picky = harness_.cluster.Needs(TaskBuilder().Cpu(1).Selects("zone", "a"));
  Park(kSmall, picky);
  harness_.cluster.Add(NodeBuilder("n0").Cpu(8).Memory("8Gi").Label("zone", "b"));
  EXPECT_THAT(parked_.Wake(), IsEmpty());
  harness_.cluster.Add(NodeBuilder("n0").Cpu(8).Memory("8Gi").Label("zone", "a"));
  EXPECT_THAT(parked_.Wake(), ElementsAre(kSmall));
}

TEST_F(ParkedShapesTest, WhoLeftIsNotWoken) {
  parked_.Remove(kSmall);
  Free(0, 8);
  EXPECT_THAT(parked_.Wake(), ElementsAre(kLarge));
}

TEST_F(ParkedShapesTest, LooksAtAllNodesWhenTooMuchHappened) {
  for (int i = 0; i < 10'000; ++i) {
    Free(1, 1);
    table().Allocate(1, one_, {});
  }
  Free(0, 2);
  EXPECT_THAT(parked_.Wake(), ElementsAre(kSmall));
}

}  // namespace
}  // namespace berth::engine
