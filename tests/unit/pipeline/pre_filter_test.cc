// A plugin that refuses tasks by what they ask for, wherever tasks are looked at.
#include "berth/pre_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "engine/parked_shapes.h"
#include "engine/run_plugins.h"
#include "pipeline/full_pass.h"
#include "pipeline/possible_nodes.h"
#include "tests/support/pipeline_harness.h"

namespace berth::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;

// A site's rule: who asks for devices asks for a CPU each.
class CpusForDevices final : public FilterPlugin, public PreFilterPlugin {
 public:
  std::string_view name() const override { return "CpusForDevices"; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic; }
  bool PassesAll(const TaskRequirements&) const override { return true; }
  absl::Status Filter(const TaskView&, const NodeColumns&, SlotMask&) const override {
    return absl::OkStatus();
  }
  void Diagnose(const TaskView&, const NodeColumns&, const NodeMask&,
                RejectionSink&) const override {}

  std::string Refuses(const TaskRequirements& needs) const override {
    if (needs.requests[kCpu] == 13'000) throw std::runtime_error("out of luck");
    for (const DeviceNeed& device : needs.devices) {
      if (needs.requests[kCpu] < 1000 * device.count) return "asks for fewer CPUs than devices";
    }
    return needs.requests[kCpu] == 7'000 ? std::string(300, 'x') + "\xff" : "";
  }
};

ProfileOptions WithTheRule() {
  ProfileOptions options;
  options.filters.enabled = {"CpusForDevices"};
  return options;
}

class PreFilterTest : public ::testing::Test {
 protected:
  PreFilterTest() {
    for (const char* node : {"a", "b", "c", "d"}) {
      harness_.cluster.Add(NodeBuilder(node).Cpu(16).Gpus(4));
    }
  }

  PipelineHarness harness_{WithTheRule(), 1, [](PluginRegistry& registry) {
                             registry.Register("CpusForDevices",
                                               [](const PluginArgs&, PluginContext&) {
                                                 return std::make_unique<CpusForDevices>();
                                               });
                           }};
  const TaskRequirements& refused_ = harness_.cluster.Needs(TaskBuilder().Cpu(2).Gpus(4));
  const TaskRequirements& taken_ = harness_.cluster.Needs(TaskBuilder().Cpu(4).Gpus(4));
};

TEST_F(PreFilterTest, TakesPartWhereItIsEnabledAsAFilter) {
  EXPECT_THAT(harness_.profile().placing().pre_filters, ::testing::SizeIs(1));
  EXPECT_THAT(PipelineHarness().profile().placing().pre_filters, IsEmpty());
}

TEST_F(PreFilterTest, WhatItRefusesIsPlacedNowhereAlsoNotOnNodesThatChange) {
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(harness_.Bind(refused_), "");
    harness_.cluster.table().SetCordoned(0, round % 2 == 0);
    harness_.cluster.Add(NodeBuilder("more" + std::to_string(round)).Cpu(16).Gpus(4));
  }
  EXPECT_NE(harness_.Bind(taken_), "");
}

TEST_F(PreFilterTest, AFullPassSaysTheSame) {
  const auto full = [&](const TaskRequirements& needs) {
    return LookAtAll(harness_.profile(), {needs, {}}, harness_.cluster.table())->slot;
  };
  EXPECT_EQ(full(refused_), kNoSlot);
  EXPECT_NE(full(taken_), kNoSlot);
}

TEST_F(PreFilterTest, SaysWhoRefusesAndWhy) {
  const Explanation explanation = harness_.Explain(refused_);
  EXPECT_EQ(explanation.text,
            "cannot ever fit: refused by CpusForDevices: asks for fewer CPUs than devices");
  EXPECT_EQ(explanation.placeability, Placeability::kNeverFits);
  EXPECT_EQ(explanation.nodes_total, 4);
  EXPECT_EQ(explanation.nodes_feasible, 0);
  EXPECT_THAT(explanation.suggestions, IsEmpty());
  ASSERT_EQ(explanation.filters.size(), 1u);
  EXPECT_EQ(explanation.filters[0].plugin, "CpusForDevices");
  EXPECT_EQ(explanation.filters[0].reason, Reason::kRefusedByPlugin);
  EXPECT_EQ(explanation.filters[0].nodes, 4);
  EXPECT_THAT(explanation.filters[0].examples, ElementsAre("a", "b", "c"));
  EXPECT_EQ(harness_.Explain(taken_).text, "4/4 nodes fit");
}

TEST_F(PreFilterTest, NoNodeIsPossible) {
  const auto possible =
      FindPossibleNodes(harness_.profile(), {refused_, {}}, harness_.cluster.table(), true);
  ASSERT_TRUE(possible.ok());
  EXPECT_FALSE(possible->nodes.Any());
}

// The text is somebody else's: it is cut, and made fit to be sent.
TEST_F(PreFilterTest, ShowsSoManyBytesAndNoMore) {
  const std::string text = harness_.Explain(TaskBuilder().Cpu(7)).text;
  EXPECT_THAT(text, ::testing::EndsWith(": " + std::string(kMostRefusalBytes, 'x')));
}

TEST_F(PreFilterTest, WhatIsRefusedWakesForNothing) {
  engine::ParkedShapes parked(harness_.cluster.table());
  parked.Park(3, harness_.profile().placing(), refused_);
  parked.Park(8, harness_.profile().placing(), taken_);
  harness_.cluster.Add(NodeBuilder("new").Cpu(16).Gpus(4));
  EXPECT_THAT(parked.Wake(), ElementsAre(8));
  EXPECT_EQ(parked.size(), 1u);
}

TEST_F(PreFilterTest, NamesOneThatThrows) {
  const TaskRequirements& unlucky = harness_.cluster.Needs(TaskBuilder().Cpu(13));
  const auto placed = harness_.engine().Place(harness_.profile().placing(),
                                              harness_.cluster.KeyOf(unlucky), {unlucky, {}});
  ASSERT_FALSE(placed.ok());
  EXPECT_EQ(engine::PluginAtFault(placed.status()), "CpusForDevices");
  EXPECT_THAT(std::string(placed.status().message()), HasSubstr("it threw: out of luck"));
}

}  // namespace
}  // namespace berth::pipeline
