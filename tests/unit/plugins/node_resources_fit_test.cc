#include "node_resources_fit/node_resources_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_args_builder.h"
#include "tests/support/plugin_probe.h"
#include "tests/support/status_text.h"

namespace berth::plugins {
namespace {

using testing::Arg;
using testing::ArgList;
using testing::ArgMap;
using testing::ArgWeight;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::SeenRejection;
using ::testing::SizeIs;
using testing::TaskBuilder;

PluginArgs Strategy(PluginArgs::Map entries) {
  return ArgMap({{"scoringStrategy", ArgMap(std::move(entries))}});
}

PluginArgs Point(int utilization, int score) {
  return ArgMap({{"utilization", Arg(utilization)}, {"score", Arg(score)}});
}

PluginArgs Ratio(PluginArgs::List shape) {
  return Strategy({{"type", Arg("RequestedToCapacityRatio")},
                   {"resources", ArgList({ArgWeight("cpu", 1)})},
                   {"requestedToCapacityRatio", ArgMap({{"shape", ArgList(std::move(shape))}})}});
}

std::string ErrorOf(const PluginArgs& args) {
  state::Names names;
  return std::string(testing::MakeBuiltin(kNodeResourcesFit, args, names).status().message());
}

TEST(NodeResourcesFitFilterTest, KeepsANodeThatHasExactlyWhatIsAsked) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("exact").Cpu(4).Memory("8Gi"));
  probe.cluster.Add(NodeBuilder("less-cpu").CpuMilli(3999).Memory("8Gi"));
  probe.cluster.Add(NodeBuilder("less-memory").Cpu(4).MemoryMib(8191));
  EXPECT_THAT(probe.Passing(TaskBuilder().Cpu(4).Memory("8Gi")), ElementsAre("exact"));
}

TEST(NodeResourcesFitFilterTest, CountsWhatOthersHold) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("n").Cpu(4));
  probe.cluster.Fill("n", TaskBuilder().Cpu(2));
  EXPECT_THAT(probe.Passing(TaskBuilder().Cpu(2)), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().CpuMilli(2001)), IsEmpty());
}

TEST(NodeResourcesFitFilterTest, JudgesEveryResource) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("n").Storage("10Gi").Bandwidth(1000).Extended("fpga_slots", 2));
  EXPECT_THAT(probe.Passing(TaskBuilder().Storage("10Gi")), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Storage("11Gi")), IsEmpty());
  EXPECT_THAT(probe.Passing(TaskBuilder().Bandwidth(1000)), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Bandwidth(1001)), IsEmpty());
  EXPECT_THAT(probe.Passing(TaskBuilder().Extended("fpga_slots", 2)), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().Extended("fpga_slots", 3)), IsEmpty());
}

TEST(NodeResourcesFitFilterTest, LeavesOutResourcesThatTheTaskDoesNotAskFor) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("n").Cpu(4));
  probe.cluster.Fill("n", TaskBuilder().Cpu(4));
  probe.cluster.Add(NodeBuilder("n").Cpu(2));  // came back smaller: overdrawn by 2 cores
  EXPECT_THAT(probe.Passing(TaskBuilder().Memory("1Gi")), ElementsAre("n"));
  EXPECT_THAT(probe.Passing(TaskBuilder().CpuMilli(1)), IsEmpty());
}

TEST(NodeResourcesFitFilterTest, JudgesTheLastSlotsOfAnUnevenTable) {
  for (int nodes : {1, 63, 64, 65, 130}) {
    PluginProbe probe(kNodeResourcesFit);
    probe.cluster.AddMany("n", nodes, NodeBuilder("").Cpu(2));
    probe.cluster.Fill("n" + std::to_string(nodes - 1), TaskBuilder().Cpu(1));
    EXPECT_THAT(probe.Passing(TaskBuilder().Cpu(2)), SizeIs(nodes - 1)) << nodes;
  }
}

TEST(NodeResourcesFitDiagnoseTest, TellsWhatIsAskedFreeAndThere) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("n").Cpu(4).Memory("8Gi"));
  probe.cluster.Fill("n", TaskBuilder().Memory("6Gi"));
  EXPECT_THAT(probe.Rejections(TaskBuilder().Cpu(1).Memory("4Gi")),
              ElementsAre(SeenRejection{"n", Reason::kInsufficientMemory, kMemory, 4096, 2048, 8192,
                                        false}));
}

TEST(NodeResourcesFitDiagnoseTest, NamesTheResourceThatNoReleaseCanMend) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("n").Cpu(4).Memory("8Gi"));
  probe.cluster.Fill("n", TaskBuilder().Cpu(4));
  EXPECT_THAT(probe.Rejections(TaskBuilder().Cpu(1).Memory("9Gi")),
              ElementsAre(SeenRejection{"n", Reason::kInsufficientMemory, kMemory, 9216, 8192, 8192,
                                        true}));
}

TEST(NodeResourcesFitDiagnoseTest, ReportsNothingFreeOnAnOverdrawnNode) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("n").Cpu(4));
  probe.cluster.Fill("n", TaskBuilder().Cpu(4));
  probe.cluster.Add(NodeBuilder("n").Cpu(2));
  EXPECT_THAT(
      probe.Rejections(TaskBuilder().Cpu(1)),
      ElementsAre(SeenRejection{"n", Reason::kInsufficientCpu, kCpu, 1000, 0, 2000, false}));
}

TEST(NodeResourcesFitDiagnoseTest, HasAReasonForEachResource) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("n"));
  EXPECT_EQ(probe.Rejections(TaskBuilder().Storage("1Gi"))[0].reason, Reason::kInsufficientStorage);
  EXPECT_EQ(probe.Rejections(TaskBuilder().Bandwidth(1))[0].reason, Reason::kInsufficientBandwidth);
  EXPECT_EQ(probe.Rejections(TaskBuilder().Extended("fpga_slots", 1))[0].reason,
            Reason::kInsufficientExtendedResource);
}

TEST(NodeResourcesFitScoreTest, SpreadsByDefault) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("empty").Cpu(4).Memory("8Gi"));
  probe.cluster.Add(NodeBuilder("half").Cpu(4).Memory("8Gi"));
  probe.cluster.Fill("half", TaskBuilder().Cpu(2));
  const auto scores = probe.Scores(TaskBuilder().Cpu(1).Memory("2Gi"));
  // Free with the task: 3/4 of both; 1/4 of the cores and 3/4 of the memory.
  EXPECT_EQ(scores.at("empty"), kMaxScore / 2 * 3 / 4 + kMaxScore / 2 * 3 / 4);
  EXPECT_EQ(scores.at("half"), kMaxScore / 2 * 1 / 4 + kMaxScore / 2 * 3 / 4);
}

TEST(NodeResourcesFitScoreTest, PacksWhenToldTo) {
  PluginProbe probe(kNodeResourcesFit, Strategy({{"type", Arg("MostAllocated")}}));
  probe.cluster.Add(NodeBuilder("empty").Cpu(4).Memory("8Gi"));
  probe.cluster.Add(NodeBuilder("half").Cpu(4).Memory("8Gi"));
  probe.cluster.Fill("half", TaskBuilder().Cpu(2));
  const auto scores = probe.Scores(TaskBuilder().Cpu(1).Memory("2Gi"));
  EXPECT_EQ(scores.at("empty"), kMaxScore / 2 * 1 / 4 + kMaxScore / 2 * 1 / 4);
  EXPECT_EQ(scores.at("half"), kMaxScore / 2 * 3 / 4 + kMaxScore / 2 * 1 / 4);
}

TEST(NodeResourcesFitScoreTest, WeighsResources) {
  PluginProbe probe(
      kNodeResourcesFit,
      Strategy({{"type", Arg("MostAllocated")},
                {"resources", ArgList({ArgWeight("cpu", 3), ArgWeight("memory", 1)})}}));
  probe.cluster.Add(NodeBuilder("n").Cpu(4).Memory("8Gi"));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(4)).at("n"), kMaxScore * 3 / 4);
  EXPECT_EQ(probe.Scores(TaskBuilder().Memory("8Gi")).at("n"), kMaxScore / 4);
}

TEST(NodeResourcesFitScoreTest, CountsAResourceThatTheNodeDoesNotHaveAsNothing) {
  for (const char* type : {"LeastAllocated", "MostAllocated"}) {
    PluginProbe probe(
        kNodeResourcesFit,
        Strategy({{"type", Arg(type)}, {"resources", ArgList({ArgWeight("fpga_slots", 1)})}}));
    probe.cluster.Add(NodeBuilder("without"));
    probe.cluster.Add(NodeBuilder("with").Extended("fpga_slots", 2));
    EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(1)).at("without"), 0) << type;
  }
}

TEST(NodeResourcesFitScoreTest, FollowsItsShapeStraightBetweenPoints) {
  PluginProbe probe(kNodeResourcesFit, Ratio({Point(25, 10), Point(75, 0)}));
  for (int cores : {1, 2, 3, 4}) {
    probe.cluster.Add(NodeBuilder("used" + std::to_string(cores)).Cpu(4));
    probe.cluster.Fill("used" + std::to_string(cores), TaskBuilder().Cpu(cores));
  }
  probe.cluster.Add(NodeBuilder("used0").Cpu(4));
  const auto scores = probe.Scores(TaskBuilder());
  EXPECT_EQ(scores.at("used0"), kMaxScore);  // level before the first point
  EXPECT_EQ(scores.at("used1"), kMaxScore);
  EXPECT_EQ(scores.at("used2"), kMaxScore / 2);
  EXPECT_EQ(scores.at("used3"), 0);
  EXPECT_EQ(scores.at("used4"), 0);  // and behind the last
}

TEST(NodeResourcesFitScoreTest, PacksDevicesOfTasksThatAskForThem) {
  PluginProbe probe(kNodeResourcesFit);
  probe.cluster.Add(NodeBuilder("cpus"));
  probe.cluster.Add(NodeBuilder("fresh").Gpus(4));
  probe.cluster.Add(NodeBuilder("begun").Gpus(4));
  probe.cluster.Fill("begun", TaskBuilder().Cpu(7), {{{0, 1000, 0}, {1, 500, 0}}});
  const auto scores = probe.Scores(TaskBuilder().Cpu(1).Gpus(1));
  EXPECT_EQ(scores.at("cpus"), 0);
  EXPECT_EQ(scores.at("fresh"), kMaxScore / 4);
  EXPECT_EQ(scores.at("begun"), kMaxScore * 5 / 8);
}

TEST(NodeResourcesFitScoreTest, SpreadsDevicesWhenToldTo) {
  PluginProbe probe(kNodeResourcesFit, Strategy({{"devices", Arg("LeastAllocated")}}));
  probe.cluster.Add(NodeBuilder("n").Gpus(4));
  EXPECT_EQ(probe.Scores(TaskBuilder().Gpus(1)).at("n"), kMaxScore * 3 / 4);
}

TEST(NodeResourcesFitScoreTest, LeavesWhatGoesWithIdleDevicesToTasksWithDevices) {
  const PluginArgs three_to_one =
      Strategy({{"resources", ArgList({ArgWeight("cpu", 3), ArgWeight("memory", 1)})}});
  for (const PluginArgs& args : {PluginArgs(), three_to_one}) {
    PluginProbe probe(kNodeResourcesFit, args);
    probe.cluster.Add(NodeBuilder("cpus"));
    for (const char* name : {"idle", "half", "full", "sick"}) {
      const NodeBuilder node = NodeBuilder(name).Gpus(2);
      probe.cluster.Add(name == std::string("sick") ? NodeBuilder(node).Sick(0).Sick(1) : node);
    }
    probe.cluster.Fill("half", TaskBuilder(), {{{0, 1000, 0}}});
    probe.cluster.Fill("full", TaskBuilder(), {{{0, 1000, 0}, {1, 1000, 0}}});
    const TaskBuilder quarter = TaskBuilder().Cpu(2).Memory("4Gi");
    EXPECT_EQ(probe.Scores(quarter), (std::map<std::string, int32_t>{{"cpus", kMaxScore / 4 * 3},
                                                                     {"idle", 0},
                                                                     {"half", kMaxScore / 4},
                                                                     {"full", kMaxScore / 4 * 3},
                                                                     {"sick", kMaxScore / 4 * 3}}));
  }
}

TEST(NodeResourcesFitScoreTest, CountsWhatGoesWithIdleDevicesAsFreeWhenToldTo) {
  PluginProbe probe(kNodeResourcesFit, Strategy({{"idleDevices", Arg("Ignore")}}));
  probe.cluster.Add(NodeBuilder("idle").Gpus(2));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(2).Memory("4Gi")).at("idle"), kMaxScore / 4 * 3);
}

TEST(NodeResourcesFitScoreTest, IgnoresDevicesWhenToldTo) {
  PluginProbe probe(kNodeResourcesFit,
                    Strategy({{"devices", Arg("Ignore")}, {"idleDevices", Arg("Ignore")}}));
  probe.cluster.Add(NodeBuilder("n").Cpu(4).Gpus(4));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(4).Gpus(1)), probe.Scores(TaskBuilder().Cpu(4)));
}

TEST(NodeResourcesFitArgsTest, NameThePathOfWhatIsWrong) {
  EXPECT_EQ(ErrorOf(ArgMap({{"scoringStratgy", Arg(1)}})),
            "scoringStratgy: unknown argument; accepted: scoringStrategy");
  EXPECT_EQ(ErrorOf(Strategy({{"type", Arg("Fewest")}})),
            "scoringStrategy.type: must be one of LeastAllocated, MostAllocated, "
            "RequestedToCapacityRatio, is \"Fewest\"");
  EXPECT_EQ(ErrorOf(Strategy({{"resources", ArgList({ArgWeight("cpu", 101)})}})),
            "scoringStrategy.resources[0].weight: must be an integer from 1 to 100, is the "
            "integer 101");
}

TEST(NodeResourcesFitArgsTest, TakeAShapeOnlyWithItsType) {
  EXPECT_EQ(ErrorOf(Strategy({{"requestedToCapacityRatio", ArgMap({})}})),
            "scoringStrategy.requestedToCapacityRatio: only goes with type "
            "RequestedToCapacityRatio");
  EXPECT_EQ(ErrorOf(Strategy({{"type", Arg("RequestedToCapacityRatio")}})),
            "scoringStrategy.requestedToCapacityRatio: is missing; type RequestedToCapacityRatio "
            "needs its shape");
}

TEST(NodeResourcesFitArgsTest, WantRisingUtilization) {
  EXPECT_EQ(ErrorOf(Ratio({Point(50, 0), Point(50, 10)})),
            "scoringStrategy.requestedToCapacityRatio.shape[1].utilization: must be above that of "
            "the point before, 50, is 50");
  EXPECT_EQ(ErrorOf(Ratio({Point(50, 11)})),
            "scoringStrategy.requestedToCapacityRatio.shape[0].score: must be an integer from 0 to "
            "10, is the integer 11");
}

}  // namespace
}  // namespace berth::plugins
