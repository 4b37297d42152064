#include "fragmentation_gradient/fragmentation_gradient.h"

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
using ::testing::ElementsAre;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;
using testing::Text;

using ScoredSet = PluginProbe::ScoredSet;

// kMaxScore / (1 + e^-x), by straight lines between multiples of 1/64.
constexpr int32_t kMinus1000 = 282'005, kMinus700 = 347'931, kZero = 524'288, kPlus300 = 602'345,
                  kPlus1000 = 766'570;

PluginArgs Mix(PluginArgs::List classes) { return ArgMap({{"mix", ArgList(std::move(classes))}}); }
PluginArgs WholeGpu(int cpu_milli = 0) {
  return ArgMap({{"devices", Arg(1)}, {"cpuMilli", Arg(cpu_milli)}});
}

TEST(FragmentationGradientTest, KeepsWholeDevicesForTasksThatNeedThem) {
  PluginProbe probe(kFragmentationGradient, Mix({WholeGpu()}));
  probe.cluster.Add(NodeBuilder("n").Gpus(2));
  probe.cluster.Fill("n", TaskBuilder().GpuShare(600), {{{1, 600, 0}}});
  // Useless now: 0.4. With the share on device 1: 0.1. On device 0: none is whole, so all 1.1.
  EXPECT_THAT(probe.SetScores(TaskBuilder().GpuShare(300), "n"),
              ElementsAre(ScoredSet{{1}, kPlus300}, ScoredSet{{0}, kMinus700}));
}

TEST(FragmentationGradientTest, TakesTheMeanOverTheMix) {
  // Of four tasks three need a whole device and one the half of one.
  PluginProbe probe(kFragmentationGradient,
                    Mix({ArgMap({{"weight", Arg(3)}}), ArgMap({{"shareMilli", Arg(500)}})}));
  probe.cluster.Add(NodeBuilder("n").Gpus(1));
  // On the idle device nothing is useless. With 400 of it taken, 600 are to the three: 0.45.
  const int32_t score = probe.SetScores(TaskBuilder().GpuShare(400), "n")[0].score;
  EXPECT_EQ(score, 408'275);  // 1 / (1 + e^0.45)
}

TEST(FragmentationGradientTest, GoesByTheTasksThatCameWhereTheArgumentsGiveNoMix) {
  state::TaskMix mix{.tasks = 400, .sorts = {}};
  mix.sorts.push_back({.cpu_milli = 0, .devices = {{"gpu", 1, 1000}}, .tasks = 300});
  mix.sorts.push_back({.cpu_milli = 0, .devices = {{"gpu", 1, 500}}, .tasks = 100});
  const auto score = [](const PluginArgs& args, const state::TaskMix* of) {
    PluginProbe probe(kFragmentationGradient, args, of);
    probe.cluster.Add(NodeBuilder("n").Gpus(1));
    return probe.SetScores(TaskBuilder().GpuShare(400), "n")[0].score;
  };
  const PluginArgs same = Mix({ArgMap({{"weight", Arg(3)}}), ArgMap({{"shareMilli", Arg(500)}})});
  EXPECT_EQ(score({}, &mix), score(same, nullptr));
  EXPECT_NE(score({}, &mix), score({}, nullptr));
  EXPECT_EQ(score(Mix({WholeGpu()}), &mix), score(Mix({WholeGpu()}), nullptr));
}

TEST(FragmentationGradientTest, CountsAllAsUselessToTasksThatTheNodeCannotHold) {
  const TaskBuilder task = TaskBuilder().Cpu(5).Gpus(1);
  {
    PluginProbe probe(kFragmentationGradient, Mix({WholeGpu(/*cpu_milli=*/4000)}));
    probe.cluster.Add(NodeBuilder("n").Cpu(8).Gpus(2));
    // 3 cores are left beside the second device.
    EXPECT_EQ(probe.SetScores(task, "n")[0].score, kMinus1000);
  }
  {
    PluginProbe probe(kFragmentationGradient,
                      Mix({ArgMap({{"models", ArgList({Arg("T4"), Arg("V100")})}})}));
    probe.cluster.Add(NodeBuilder("n").Cpu(8).Gpus(2, "A100"));
    // Two devices are of the wrong model, then one.
    EXPECT_EQ(probe.SetScores(task, "n")[0].score, kPlus1000);
  }
  {
    PluginProbe probe(kFragmentationGradient, Mix({ArgMap({{"memoryMib", Arg(20'000)}})}));
    probe.cluster.Add(NodeBuilder("n").Cpu(8).Memory("16Gi").Gpus(2));
    EXPECT_EQ(probe.SetScores(task, "n")[0].score, kPlus1000);
  }
  {
    PluginProbe probe(kFragmentationGradient, Mix({ArgMap({{"devices", Arg(0)}})}));
    probe.cluster.Add(NodeBuilder("n").Cpu(8).Gpus(2));
    EXPECT_EQ(probe.SetScores(task, "n")[0].score, kPlus1000);
  }
  {
    PluginProbe probe(kFragmentationGradient, Mix({ArgMap({{"devices", Arg(2)}})}));
    probe.cluster.Add(NodeBuilder("n").Cpu(8).Gpus(2));
    // Together they are of use, the one that is left is not.
    EXPECT_EQ(probe.SetScores(task, "n")[0].score, kMinus1000);
  }
}

TEST(FragmentationGradientTest, TakesClassesThatAreAlikeForOne) {
  // However many of them fill a vector.
  for (const size_t classes : {1, 15, 16, 17, 40, 256}) {
    PluginProbe probe(kFragmentationGradient,
                      Mix(PluginArgs::List(classes, WholeGpu(/*cpu_milli=*/4000))));
    probe.cluster.Add(NodeBuilder("n").Cpu(8).Gpus(2));
    EXPECT_EQ(probe.SetScores(TaskBuilder().Cpu(5).Gpus(1), "n")[0].score, kMinus1000) << classes;
  }
}

TEST(FragmentationGradientTest, TellsModelsOfOneNodeApart) {
  PluginProbe probe(kFragmentationGradient, Mix({ArgMap({{"models", ArgList({Arg("T4")})}})}));
  probe.cluster.Add(NodeBuilder("n").Gpus(1, "T4").Gpus(1, "A100"));
  // Useless now: the A100. Without it nothing; without the T4 still the A100.
  EXPECT_THAT(probe.SetScores(TaskBuilder().Gpus(1), "n"),
              ElementsAre(ScoredSet{{0}, kZero}, ScoredSet{{1}, kPlus1000}));
}

TEST(FragmentationGradientTest, LeavesOutSickDevices) {
  PluginProbe probe(kFragmentationGradient, Mix({ArgMap({{"devices", Arg(2)}})}));
  probe.cluster.Add(NodeBuilder("n").Gpus(2).Sick(1));
  // One device is useless to a task that needs two; then none is left.
  EXPECT_EQ(probe.SetScores(TaskBuilder().Gpus(1), "n")[0].score, kPlus1000);
}

TEST(FragmentationGradientTest, TellsWholePerCentsApartAndNoMore) {
  PluginArgs args = Mix({WholeGpu()});
  std::get<PluginArgs::Map>(args.value)["resolution"] = Arg("percent");
  PluginProbe probe(kFragmentationGradient, args);
  probe.cluster.Add(NodeBuilder("n").Gpus(2));
  probe.cluster.Fill("n", TaskBuilder().GpuShare(600), {{{1, 600, 0}}});
  // 57.4 and 33.2 per cent.
  EXPECT_THAT(probe.SetScores(TaskBuilder().GpuShare(300), "n"),
              ElementsAre(ScoredSet{{1}, 597'688}, ScoredSet{{0}, 346'030}));
}

TEST(FragmentationGradientTest, SkipsTasksWithoutDevicesUnlessAsked) {
  PluginProbe silent(kFragmentationGradient);
  EXPECT_TRUE(silent.As<ScorePlugin>().Skips(silent.cluster.Needs(TaskBuilder().Cpu(1))));

  PluginArgs args = Mix({WholeGpu(/*cpu_milli=*/4000)});
  std::get<PluginArgs::Map>(args.value)["cpuTasks"] = Arg(true);
  PluginProbe probe(kFragmentationGradient, args);
  probe.cluster.Add(NodeBuilder("cpus").Cpu(8));
  probe.cluster.Add(NodeBuilder("gpu").Cpu(8).Gpus(1));
  EXPECT_FALSE(probe.As<ScorePlugin>().Skips(probe.cluster.Needs(TaskBuilder().Cpu(1))));
  // Three cores are too few for the tasks that would use the device.
  const auto scores = probe.Scores(TaskBuilder().Cpu(5));
  EXPECT_EQ(scores.at("cpus"), kZero);
  EXPECT_EQ(scores.at("gpu"), kMinus1000);
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(4)).at("gpu"), kZero);
}

TEST(FragmentationGradientTest, HasNoOpinionOnOtherDevices) {
  PluginProbe probe(kFragmentationGradient);
  probe.cluster.Add(NodeBuilder("n").Gpus(1).Devices("tpu", 4, "v5e", "16Gi"));
  const TaskBuilder tpus = TaskBuilder().Device({"tpu", 1, 1000, 0, {}});
  EXPECT_TRUE(probe.As<DeviceScorePlugin>().Skips(probe.cluster.Needs(tpus)));
  EXPECT_EQ(probe.SetScores(tpus, "n")[0].score, 0);
}

TEST(FragmentationGradientTest, RefusesWrongArguments) {
  const auto error = [](const PluginArgs& args) {
    state::Names names;
    return Text(testing::MakeBuiltin(kFragmentationGradient, args, names));
  };
  EXPECT_EQ(error(Mix({ArgMap({{"devices", Arg(2)}, {"shareMilli", Arg(500)}})})),
            "INVALID_ARGUMENT: mix[0].shareMilli: only one device can be shared; devices is 2");
  EXPECT_EQ(error(Mix({WholeGpu(), ArgMap({{"weight", Arg(0)}})})),
            "INVALID_ARGUMENT: mix[1].weight: must be an integer from 1 to 1000000, is the integer "
            "0");
  EXPECT_EQ(error(Mix({ArgMap({{"models", ArgList({Arg(7)})}})})),
            "INVALID_ARGUMENT: mix[0].models[0]: must be a name, is the integer 7");
  EXPECT_EQ(error(ArgMap({{"cpuTasks", Arg("yes")}})),
            "INVALID_ARGUMENT: cpuTasks: must be true or false, is \"yes\"");
  EXPECT_EQ(error(ArgMap({{"resolution", Arg("coarse")}})),
            "INVALID_ARGUMENT: resolution: must be one of full, percent, is \"coarse\"");
}

}  // namespace
}  // namespace berth::plugins
