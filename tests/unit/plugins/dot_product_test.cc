#include "dot_product/dot_product.h"

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

TEST(DotProductTest, MultipliesWhatIsFreeByWhatIsAskedFor) {
  PluginProbe probe(kDotProduct);
  probe.cluster.Add(NodeBuilder("n").Cpu(64).Gpus(4));
  // 1 - 1/2 (1/2 x 1/8 + 1/2 x 1/8).
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(16).Gpus(1)).at("n"), kMaxScore / 16 * 15);
}

TEST(DotProductTest, PrefersNodesWithLittleOfWhatIsAskedFor) {
  PluginProbe probe(kDotProduct);
  probe.cluster.Add(NodeBuilder("cpus").Cpu(128));
  probe.cluster.Add(NodeBuilder("gpus").Cpu(64).Gpus(8));
  // 1 - 1/2 x 1 x 1/4, and 1 - 1/2 x 1/2 x 1/4: GPUs are not asked for.
  const auto scores = probe.Scores(TaskBuilder().Cpu(32));
  EXPECT_EQ(scores.at("cpus"), kMaxScore / 8 * 7);
  EXPECT_EQ(scores.at("gpus"), kMaxScore / 16 * 15);
}

TEST(DotProductTest, CountsWhatIsFreeNow) {
  PluginProbe probe(kDotProduct);
  probe.cluster.Add(NodeBuilder("n").Cpu(64).Gpus(4).Sick(3));
  probe.cluster.Fill("n", TaskBuilder().Cpu(64).Gpus(1), {{{0, 1000, 0}}});
  // No cores and 2 of 8 GPUs are free: 1 - 1/2 x 1/4 x 1/4.
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(16).Gpus(2)).at("n"), kMaxScore / 32 * 31);
}

TEST(DotProductTest, TellsWholePerCentsApartAndNoMore) {
  PluginProbe probe(kDotProduct, ArgMap({{"resolution", Arg("percent")}}));
  probe.cluster.Add(NodeBuilder("n").Cpu(64).Gpus(4));
  EXPECT_EQ(probe.Scores(TaskBuilder().Cpu(16).Gpus(1)).at("n"), 975'175);  // 93.75: 93 %
}

}  // namespace
}  // namespace berth::plugins
