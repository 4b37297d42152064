#include "common/resource_weights.h"

#include <gtest/gtest.h>

#include "pipeline/table_context.h"
#include "tests/support/plugin_args_builder.h"
#include "tests/support/status_text.h"

namespace berth::plugins {
namespace {

using testing::Arg;
using testing::ArgList;
using testing::ArgMap;
using testing::ArgWeight;
using testing::Text;

class ResourceWeightsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<ResourceWeight>> Read(const PluginArgs& resources) {
    const PluginArgs args = ArgMap({{"resources", resources}});
    const auto reader = ArgsReader::Open(args, "", {"resources"});
    return ReadResourceWeights(*reader, "resources", 100, context_);
  }

  state::Names names_;
  pipeline::TableContext context_{names_};
};

TEST_F(ResourceWeightsTest, AreCpuAndMemoryWhereNothingIsSaid) {
  const auto weights = Read(PluginArgs{});
  ASSERT_EQ(weights->size(), 2u);
  EXPECT_EQ((*weights)[0].resource, kCpu);
  EXPECT_EQ((*weights)[1].resource, kMemory);
  EXPECT_EQ((*weights)[0].weight, (*weights)[1].weight);
}

TEST_F(ResourceWeightsTest, GiveAnExtendedResourceTheColumnThatNodesWillUse) {
  const auto weights = Read(ArgList({ArgWeight("fpga_slots", 3)}));
  ASSERT_TRUE(weights.ok()) << Text(weights);
  EXPECT_EQ((*weights)[0].weight, 3);
  EXPECT_EQ(*state::ResourceColumn(names_, "fpga_slots"), (*weights)[0].resource);
}

TEST_F(ResourceWeightsTest, HaveWeightOneWhereNoneIsWritten) {
  EXPECT_EQ((*Read(ArgList({ArgMap({{"name", Arg("memory")}})})))[0].weight, 1);
}

TEST_F(ResourceWeightsTest, RefuseAResourceNamedTwice) {
  EXPECT_EQ(Text(Read(ArgList({ArgWeight("cpu", 1), ArgWeight("cpu", 2)}))),
            "INVALID_ARGUMENT: resources[1].name: is in the list already");
}

TEST_F(ResourceWeightsTest, RefuseWeightsOutOfRange) {
  EXPECT_EQ(Text(Read(ArgList({ArgWeight("cpu", 1), ArgWeight("memory", 0)}))),
            "INVALID_ARGUMENT: resources[1].weight: must be an integer from 1 to 100, is the "
            "integer 0");
}

TEST_F(ResourceWeightsTest, SendDevicesToWhereTheyAreScored) {
  EXPECT_EQ(Text(Read(ArgList({ArgWeight("gpu", 1)}))),
            "INVALID_ARGUMENT: resources[0].name: \"gpu\" is a kind of device, which has no "
            "column; devices are scored by NodeResourcesFit's scoringStrategy.devices and by "
            "DeviceFit");
}

TEST_F(ResourceWeightsTest, PassOnThatTheClusterHasNoColumnLeft) {
  for (int i = 0; i < 12; ++i) names_.extended.Intern("r" + std::to_string(i));
  const auto weights = Read(ArgList({ArgWeight("one_more", 1)}));
  EXPECT_EQ(weights.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(weights.status().message().substr(0, 18), "resources[0].name:");
}

}  // namespace
}  // namespace berth::plugins
