// What is thought of tasks, as plugins go by it.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "berth/queue_sort.h"
#include "class_load/class_load.h"
#include "data_locality/data_locality.h"
#include "shortest_job_first/shortest_job_first.h"
#include "task_interference/task_interference.h"
#include "tests/support/plugin_args_builder.h"
#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;

TaskRequirements BoundBy(PluginProbe& probe, ComputationClass bound_by, int32_t cpus = 1) {
  TaskRequirements needs = probe.cluster.Needs(TaskBuilder().Cpu(cpus));
  needs.bound_by = bound_by;
  return needs;
}

std::map<std::string, int32_t> Scores(PluginProbe& probe, const TaskView& task) {
  std::vector<int32_t> scores(probe.cluster.table().size(), -1);
  const absl::Status status = probe.As<ScorePlugin>().Score(task, probe.cluster.table(),
                                                            SlotSpan::All(scores.size()), scores);
  EXPECT_TRUE(status.ok()) << status;
  std::map<std::string, int32_t> by_name;
  probe.cluster.table().live().ForEach(
      [&](Slot slot) { by_name[probe.cluster.NameOf(slot)] = scores[slot]; });
  return by_name;
}

TEST(TaskInterferenceTest, KeepsTasksApartThatAreBoundByTheSame) {
  PluginProbe probe(kTaskInterference);
  const Slot shared = probe.cluster.Add(NodeBuilder("shared").Cpu(8));
  probe.cluster.Add(NodeBuilder("apart").Cpu(8));
  const auto memory = BoundBy(probe, ComputationClass::kMemoryBound, 6);
  probe.cluster.table().Allocate(shared, memory, {});
  EXPECT_EQ(Scores(probe, {memory, {}}).at("shared"), kMaxScore / 4);
  EXPECT_EQ(Scores(probe, {memory, {}}).at("apart"), kMaxScore);
  // They do not fight with what is bound by something else.
  const auto cpu = BoundBy(probe, ComputationClass::kCpuBound);
  EXPECT_EQ(Scores(probe, {cpu, {}}).at("shared"), kMaxScore);
  probe.cluster.table().Release(shared, memory, {});
  EXPECT_EQ(Scores(probe, {memory, {}}).at("shared"), kMaxScore);
}

TEST(TaskInterferenceTest, CountsTasksWhereOneMayTakeAll) {
  PluginProbe probe(kTaskInterference, testing::ArgMap({{"crowd", testing::Arg(2)}}));
  const Slot node = probe.cluster.Add(NodeBuilder("n").Cpu(64));
  const auto io = BoundBy(probe, ComputationClass::kIoBound);
  EXPECT_EQ(Scores(probe, {io, {}}).at("n"), kMaxScore);
  probe.cluster.table().Allocate(node, io, {});
  EXPECT_EQ(Scores(probe, {io, {}}).at("n"), kMaxScore / 2);
  for (int i = 0; i < 3; ++i) probe.cluster.table().Allocate(node, io, {});
  EXPECT_EQ(Scores(probe, {io, {}}).at("n"), 0);
}

TEST(TaskInterferenceTest, HasNoOpinionWhereNothingIsKnownAndOfAccelerators) {
  PluginProbe probe(kTaskInterference);
  EXPECT_TRUE(probe.As<ScorePlugin>().Skips(probe.cluster.Needs(TaskBuilder())));
  EXPECT_TRUE(probe.As<ScorePlugin>().Skips(BoundBy(probe, ComputationClass::kGpuBound)));
  EXPECT_FALSE(probe.As<ScorePlugin>().Skips(BoundBy(probe, ComputationClass::kNetworkBound)));
}

TEST(ClassLoadTest, LooksAtWhatTheTaskIsBoundByAlone) {
  PluginProbe probe(kClassLoad);
  const Slot node = probe.cluster.Add(NodeBuilder("n"));
  probe.cluster.table().SetClassUsage(node, ComputationClass::kIoBound, 12);
  EXPECT_EQ(Scores(probe, {BoundBy(probe, ComputationClass::kIoBound), {}}).at("n"), kMaxScore / 4);
  EXPECT_EQ(Scores(probe, {BoundBy(probe, ComputationClass::kCpuBound), {}}).at("n"),
            kMaxScore / 2);
  EXPECT_TRUE(probe.As<ScorePlugin>().Skips(probe.cluster.Needs(TaskBuilder())));
}

class DataLocalityTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, std::vector<std::string> data) {
    state::NodeSpec spec;
    spec.name = name;
    spec.capacity.builtin = {1000, 1000, 0, 0};
    spec.data = std::move(data);
    ASSERT_TRUE(probe_.cluster.table().Put(spec).ok());
  }
  std::map<std::string, int32_t> ScoresOf(const std::vector<DataHint>& data) {
    TaskView task{needs_, {}};
    task.data = data;
    return Scores(probe_, task);
  }

  PluginProbe probe_{kDataLocality, testing::ArgMap({{"mostNodes", testing::Arg(2)}})};
  TaskRequirements needs_{.has_data = true};
};

TEST_F(DataLocalityTest, ScoresThePartOfTheDataThatIsThere) {
  Add("both", {"imagenet", "llama"});
  Add("one", {"imagenet"});
  Add("none", {"other"});
  const std::vector<DataHint> data = {{{"/data/imagenet", "imagenet"}, 3}, {{"llama"}, 1}};
  EXPECT_EQ(ScoresOf(data).at("both"), kMaxScore);
  EXPECT_EQ(ScoresOf(data).at("one"), kMaxScore / 4 * 3);
  EXPECT_EQ(ScoresOf(data).at("none"), 0);
  TaskView task{needs_, {}};
  task.data = data;
  std::vector<Slot> slots;
  probe_.As<SparsePlugin>().AppendSlots(task, probe_.cluster.table(), slots);
  EXPECT_EQ(slots.size(), 2u);
}

TEST_F(DataLocalityTest, PassesOverWhatNearlyAllHave) {
  for (const char* name : {"a", "b", "c"}) Add(name, {"common"});
  EXPECT_EQ(ScoresOf({{{"common"}, 1}}).at("a"), 0);
}

TEST_F(DataLocalityTest, FollowsNodesThatGetAndLoseData) {
  Add("n", {"d"});
  EXPECT_EQ(ScoresOf({{{"d"}, 1}}).at("n"), kMaxScore);
  Add("n", {});
  EXPECT_EQ(ScoresOf({{{"d"}, 1}}).at("n"), 0);
}

class ShortestJobFirstTest : public ::testing::Test {
 protected:
  int64_t Key(const QueuedGroup& group) { return probe_.As<QueueSortPlugin>().Key(group); }

  PluginProbe probe_{kShortestJobFirst};
};

constexpr int64_t kMinute = 60'000;

TEST_F(ShortestJobFirstTest, PutsFirstWhatEndsSoonest) {
  EXPECT_LT(Key({.expected_ms = kMinute}), Key({.expected_ms = 2 * kMinute}));
  EXPECT_LT(Key({.time_limit_ms = kMinute}), Key({.expected_ms = 2 * kMinute}));
  // What is expected counts before what is allowed.
  EXPECT_LT(Key({.expected_ms = kMinute, .time_limit_ms = 90 * kMinute}),
            Key({.time_limit_ms = 2 * kMinute}));
}

TEST_F(ShortestJobFirstTest, TakesAnHourWhereNothingIsKnown) {
  EXPECT_LT(Key({.expected_ms = 59 * kMinute}), Key({}));
  EXPECT_GT(Key({.expected_ms = 61 * kMinute}), Key({}));
}

TEST_F(ShortestJobFirstTest, LetsNobodyWaitForEver) {
  const QueuedGroup old_and_long{.queued_at_ms = 0, .expected_ms = 10 * kMinute};
  EXPECT_GT(Key(old_and_long), Key({.queued_at_ms = 5 * kMinute, .expected_ms = kMinute}));
  EXPECT_LT(Key(old_and_long), Key({.queued_at_ms = 10 * kMinute, .expected_ms = kMinute}));
}

TEST_F(ShortestJobFirstTest, GoesByPriorityBefore) {
  EXPECT_LT(Key({.priority = 1, .expected_ms = INT64_MAX}),
            Key({.priority = 0, .expected_ms = kMinute}));
  EXPECT_LT(Key({.priority = 1000, .queued_at_ms = INT64_MAX, .expected_ms = INT64_MAX}),
            Key({.priority = -1000}));
}

TEST(ShortestJobFirstArgsTest, AreReadStrictly) {
  state::Names names;
  EXPECT_FALSE(testing::MakeBuiltin(kShortestJobFirst,
                                    testing::ArgMap({{"ageingPercent", testing::Arg(1001)}}), names)
                   .ok());
  EXPECT_FALSE(
      testing::MakeBuiltin(kShortestJobFirst, testing::ArgMap({{"aging", testing::Arg(1)}}), names)
          .ok());
  EXPECT_FALSE(
      testing::MakeBuiltin(kTaskInterference, testing::ArgMap({{"crowd", testing::Arg(1)}}), names)
          .ok());
  EXPECT_FALSE(
      testing::MakeBuiltin(kDataLocality, testing::ArgMap({{"mostNodes", testing::Arg(0)}}), names)
          .ok());
}

}  // namespace
}  // namespace berth::plugins
