// What is suggested is tried here: the change is made, and the task is placed.
#include "pipeline/suggestions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "tests/support/pipeline_harness.h"

namespace berth::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using testing::NodeBuilder;
using testing::PipelineHarness;
using testing::TaskBuilder;

class SuggestionsTest : public ::testing::Test {
 protected:
  testing::Cluster& cluster() { return harness_.cluster; }
  std::vector<Suggestion> Of(const state::NeedsSpec& needs, SuggestionKind kind) {
    std::vector<Suggestion> found = harness_.Explain(cluster().Needs(needs)).suggestions;
    std::erase_if(found, [&](const Suggestion& one) { return one.kind != kind; });
    return found;
  }
  static std::vector<std::string> Texts(const std::vector<Suggestion>& suggestions) {
    std::vector<std::string> texts;
    for (const Suggestion& suggestion : suggestions) texts.push_back(suggestion.text);
    return texts;
  }
  std::string PlacedOn(const state::NeedsSpec& needs) {
    return cluster().NameOf(harness_.Place(cluster().Needs(needs)).slot);
  }

  PipelineHarness harness_;
};

TEST_F(SuggestionsTest, ATaintThatIsInTheWayMayBeTolerated) {
  cluster().Add(NodeBuilder("plain").Cpu(1));
  cluster().Add(NodeBuilder("special").Taint("gpu", "true").Taint("team", "x"));
  state::NeedsSpec needs = TaskBuilder().Cpu(4).Build();
  const auto found = Of(needs, SuggestionKind::kTolerate);
  EXPECT_THAT(Texts(found),
              ElementsAre("with --tolerate gpu=true:NoSchedule --tolerate team=x:NoSchedule it "
                          "could run on special"));
  EXPECT_EQ(found[0].field, "tolerations");
  needs.tolerations = {{.key = "gpu", .value = "true", .effect = TaintEffect::kNoSchedule},
                       {.key = "team", .value = "x", .effect = TaintEffect::kNoSchedule}};
  EXPECT_EQ(PlacedOn(needs), "special");
}

TEST_F(SuggestionsTest, ANodeThatIsTaintedAndTooSmallIsNoReasonToTolerate) {
  cluster().Add(NodeBuilder("special").Cpu(1).Taint("gpu", "true"));
  EXPECT_THAT(Of(TaskBuilder().Cpu(4).Build(), SuggestionKind::kTolerate), IsEmpty());
}

TEST_F(SuggestionsTest, AConditionMayBeLeftOut) {
  cluster().Add(NodeBuilder("a").Label("zone", "a"));
  cluster().Add(NodeBuilder("b").Label("zone", "b").Label("disk", "nvme"));
  state::NeedsSpec needs = TaskBuilder().Cpu(1).Build();
  needs.node_selector = {{"zone", "a"}, {"disk", "nvme"}};
  const auto found = Of(needs, SuggestionKind::kDrop);
  EXPECT_THAT(Texts(found),
              ::testing::UnorderedElementsAre("without nodeSelector disk=nvme it could run on a",
                                              "without nodeSelector zone=a it could run on b"));
  for (const Suggestion& one : found) {
    state::NeedsSpec changed = needs;
    changed.node_selector.erase(one.value.substr(0, one.value.find('=')));
    EXPECT_EQ(PlacedOn(changed), one.node);
  }
  needs.node_selector.clear();
  needs.required_nodes = {{{.op = SelectorOp::kIn, .key = "zone", .values = {"z"}}}};
  EXPECT_THAT(Texts(Of(needs, SuggestionKind::kDrop)),
              ElementsAre("without its required node affinity it could run on a"));
}

TEST_F(SuggestionsTest, ARuleBetweenTasksMayBeLeftOut) {
  cluster().Add(NodeBuilder("a").Label("zone", "a"));
  state::NeedsSpec needs = TaskBuilder().Cpu(1).Build();
  needs.terms = {{.kind = TermKind::kAntiAffinity,
                  .topology_key = "zone",
                  .selector = {{.op = SelectorOp::kIn, .key = "app", .values = {"db"}}},
                  .namespaces = {"default"}}};
  state::JobRow& first = cluster().AddJob("default", {{"app", "db"}}, needs);
  cluster().Bind(first, cluster().At("a"), {});
  state::JobRow& second = cluster().AddJob("default", {{"app", "web"}}, needs);
  const Explanation explanation = harness_.Explain(cluster().NeedsOf(second));
  EXPECT_THAT(Texts(explanation.suggestions),
              ElementsAre("without its anti-affinity over zone it fits a now"));
  EXPECT_EQ(explanation.suggestions[0].field, "terms[0]");
  needs.terms.clear();
  EXPECT_EQ(cluster().NameOf(
                harness_.Place(cluster().NeedsOf(cluster().AddJob("default", {}, needs))).slot),
            "a");
}

TEST_F(SuggestionsTest, ACordonedNodeMayBeUncordoned) {
  cluster().Add(NodeBuilder("a"));
  cluster().table().SetCordoned(cluster().At("a"), true);
  const state::NeedsSpec needs = TaskBuilder().Cpu(1).Build();
  EXPECT_THAT(Texts(Of(needs, SuggestionKind::kUncordon)),
              ElementsAre("if a were uncordoned it would fit there now"));
  cluster().table().SetCordoned(cluster().At("a"), false);
  EXPECT_EQ(PlacedOn(needs), "a");
}

TEST_F(SuggestionsTest, DevicesThatOthersHoldMayBeFreed) {
  for (const char* name : {"n1", "n2", "n3"}) cluster().Add(NodeBuilder(name).Gpus(2));
  const TaskRequirements& one = cluster().Needs(TaskBuilder().Gpus(1));
  for (const auto& [name, devices] : {std::pair{"n1", 2}, {"n2", 2}, {"n3", 1}}) {
    for (uint16_t i = 0; i < devices; ++i) {
      cluster().table().Allocate(cluster().At(name), one, {{{i, 1000, 0}}});
    }
  }
  const state::NeedsSpec needs = TaskBuilder().Gpus(2).Build();
  const auto found = Of(needs, SuggestionKind::kFree);
  EXPECT_THAT(Texts(found), ElementsAre("with 1 more gpu free on n3 it fits there now"));
  EXPECT_THAT(found[0].lacks, ElementsAre(Lack{"gpu", 1}));
  cluster().table().Release(cluster().At("n3"), one, {{{0, 1000, 0}}});
  EXPECT_EQ(PlacedOn(needs), "n3");
}

// Clusters full of small tasks, and one that is too large for what they leave: freeing what is said
// to be missing, and nothing else, makes it fit there.
TEST_F(SuggestionsTest, WhatIsSaidToBeMissingIsEnough) {
  base::Rng rng(7);
  int freed = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round) + " of seed 7");
    PipelineHarness harness;
    testing::Cluster& cluster = harness.cluster;
    const TaskRequirements& cpu = cluster.Needs(TaskBuilder().Cpu(1));
    const TaskRequirements& memory = cluster.Needs(TaskBuilder().MemoryMib(1));
    for (int i = 0; i < 5; ++i) {
      const std::string name = "n" + std::to_string(i);
      const Slot slot = cluster.Add(NodeBuilder(name).Cpu(16).MemoryMib(64));
      for (uint64_t k = 8 + rng.Uniform(9); k > 0; --k) cluster.table().Allocate(slot, cpu, {});
      for (uint64_t k = 20 + rng.Uniform(45); k > 0; --k) {
        cluster.table().Allocate(slot, memory, {});
      }
    }
    const TaskRequirements& wanted =
        cluster.Needs(TaskBuilder().Cpu(10).MemoryMib(static_cast<int32_t>(30 + rng.Uniform(30))));
    const Explanation explanation = harness.Explain(wanted);
    if (explanation.nodes_feasible > 0) continue;
    const auto found =
        std::find_if(explanation.suggestions.begin(), explanation.suggestions.end(),
                     [](const Suggestion& one) { return one.kind == SuggestionKind::kFree; });
    ASSERT_NE(found, explanation.suggestions.end());
    const Slot slot = cluster.At(found->node);
    for (const Lack& lack : found->lacks) {
      const bool is_cpu = lack.subject == "cpu";
      const int64_t units = is_cpu ? lack.amount / 1000 : lack.amount >> 20;
      for (int64_t k = 0; k < units; ++k) {
        EXPECT_EQ(harness.Place(wanted).slot, kNoSlot) << "less is enough";
        cluster.table().Release(slot, is_cpu ? cpu : memory, {});
      }
    }
    EXPECT_EQ(cluster.NameOf(harness.Place(wanted).slot), found->node) << found->text;
    ++freed;
  }
  EXPECT_GT(freed, 30);
}

}  // namespace
}  // namespace berth::pipeline
