#include "random/random.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/plugin_args_builder.h"
#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::Arg;
using testing::ArgMap;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;

PluginArgs Seed(int seed) { return ArgMap({{"seed", Arg(seed)}}); }

TEST(RandomTest, SpreadsScoresOverTheWholeRange) {
  PluginProbe probe(kRandom);
  probe.cluster.AddMany("n", 4000, NodeBuilder(""));
  int tenths[10] = {};
  for (const auto& [name, score] : probe.Scores(TaskBuilder().Cpu(1))) {
    ++tenths[std::min(9, static_cast<int>(int64_t{score} * 10 / kMaxScore))];
  }
  for (const int tenth : tenths) {
    EXPECT_GT(tenth, 320);
    EXPECT_LT(tenth, 480);
  }
}

TEST(RandomTest, FollowsTheSeedAndTheTask) {
  PluginProbe one(kRandom, Seed(1)), again(kRandom, Seed(1)), other(kRandom, Seed(2));
  for (PluginProbe* probe : {&one, &again, &other}) {
    probe->cluster.AddMany("n", 50, NodeBuilder(""));
  }
  const TaskBuilder task = TaskBuilder().Cpu(1);
  EXPECT_EQ(one.Scores(task), again.Scores(task));
  EXPECT_NE(one.Scores(task), other.Scores(task));
  EXPECT_NE(one.Scores(task), one.Scores(TaskBuilder().Cpu(2)));
}

TEST(RandomTest, IsDrawnAnewForANodeThatChanges) {
  PluginProbe probe(kRandom);
  probe.cluster.AddMany("n", 2, NodeBuilder(""));
  const auto before = probe.Scores(TaskBuilder().Cpu(1));
  probe.cluster.Fill("n0", TaskBuilder().Cpu(1));
  const auto after = probe.Scores(TaskBuilder().Cpu(1));
  EXPECT_NE(before.at("n0"), after.at("n0"));
  EXPECT_EQ(before.at("n1"), after.at("n1"));
}

TEST(RandomTest, GivesEachDeviceWithRoomTheSameChance) {
  PluginProbe probe(kRandom);
  int in_use = 0;
  const int nodes = 2000;
  for (int i = 0; i < nodes; ++i) {
    const std::string name = "n" + std::to_string(i);
    probe.cluster.Add(NodeBuilder(name).Gpus(4));
    probe.cluster.Fill(name, TaskBuilder().GpuShare(100), {{{2, 100, 0}}});
    // Device 2, and the other three, which look alike.
    const auto sets = probe.SetScores(TaskBuilder().GpuShare(500), name);
    ASSERT_EQ(sets.size(), 2u);
    ASSERT_EQ(sets[0].devices[0], 2);
    in_use += sets[0].score >= sets[1].score;
  }
  EXPECT_GT(in_use, nodes / 5);
  EXPECT_LT(in_use, nodes * 3 / 10);
}

}  // namespace
}  // namespace berth::plugins
