#include "live_utilisation/live_utilisation.h"

#include <gtest/gtest.h>

#include "tests/support/plugin_args_builder.h"
#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using testing::NodeBuilder;
using testing::PluginProbe;
using testing::TaskBuilder;

TEST(LiveUtilisationTest, LikesWhatIsNotInUse) {
  PluginProbe probe(kLiveUtilisation);
  for (const auto& [name, steps] : {std::pair{"idle", 0}, {"busy", 12}, {"full", kUsageSteps}}) {
    probe.cluster.table().SetUsage(probe.cluster.Add(NodeBuilder(name)), steps);
  }
  EXPECT_EQ(probe.Scores(TaskBuilder()).at("idle"), kMaxScore);
  EXPECT_EQ(probe.Scores(TaskBuilder()).at("busy"), kMaxScore / 4);
  EXPECT_EQ(probe.Scores(TaskBuilder()).at("full"), 0);
}

TEST(LiveUtilisationTest, IsOfNoOpinionWhereNothingIsKnown) {
  PluginProbe probe(kLiveUtilisation);
  probe.cluster.Add(NodeBuilder("silent"));
  EXPECT_EQ(probe.Scores(TaskBuilder()).at("silent"), kMaxScore / 2);
}

TEST(LiveUtilisationTest, DoesNotLookAtWhatIsGivenAway) {
  PluginProbe probe(kLiveUtilisation);
  probe.cluster.table().SetUsage(probe.cluster.Add(NodeBuilder("n").Cpu(4)), 4);
  probe.cluster.Fill("n", TaskBuilder().Cpu(4));
  EXPECT_EQ(probe.Scores(TaskBuilder()).at("n"), kMaxScore / 4 * 3);
}

}  // namespace
}  // namespace berth::plugins
