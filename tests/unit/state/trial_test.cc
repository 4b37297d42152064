// Allocations and releases that are taken back.
#include <gtest/gtest.h>

#include "tests/support/cluster.h"

namespace berth::state {
namespace {

using testing::Cluster;
using testing::NodeBuilder;
using testing::TaskBuilder;

// A node of 8 CPUs with a task of 2 on it.
class TrialTest : public ::testing::Test {
 protected:
  TrialTest() {
    cluster_.Add(NodeBuilder("n").Cpu(8).Gpus(2));
    table().Allocate(0, two_, {});
  }
  NodeTable& table() { return cluster_.table(); }
  int32_t Used() { return table().allocated(kCpu)[0]; }

  Cluster cluster_;
  const TaskRequirements& two_ = cluster_.Needs(TaskBuilder().Cpu(2));
};

TEST_F(TrialTest, TakesBackWhatWasTried) {
  const uint64_t changes = table().changes().end();
  const uint64_t improvements = table().improvements().end();
  table().BeginTrial();
  table().Allocate(0, two_, {.devices = {{1, 1000, 0}}});
  table().Release(0, two_, {});
  table().Allocate(0, two_, {});
  EXPECT_EQ(Used(), 4000);
  table().UndoTrial();
  EXPECT_EQ(Used(), 2000);
  EXPECT_EQ(table().devices(0)[1].allocated_milli, 0);
  EXPECT_EQ(table().task_count(0), 1);
  EXPECT_EQ(table().changes().end(), changes);
  EXPECT_EQ(table().improvements().end(), improvements);
}

TEST_F(TrialTest, KeepsWhatWasTried) {
  table().BeginTrial();
  table().Allocate(0, two_, {});
  table().KeepTrial();
  EXPECT_EQ(Used(), 4000);
  table().BeginTrial();
  table().UndoTrial();
  EXPECT_EQ(Used(), 4000);
}

TEST_F(TrialTest, TellsWhatWasTakenBackWhenTheLogIsTooShort) {
  table().BeginTrial();
  for (int i = 0; i < 5000; ++i) {
    table().Allocate(0, two_, {});
    table().Release(0, two_, {});
  }
  table().Allocate(0, two_, {});
  const uint64_t changes = table().changes().end();
  table().UndoTrial();
  EXPECT_EQ(Used(), 2000);
  EXPECT_GT(table().changes().end(), changes);
}

}  // namespace
}  // namespace berth::state
