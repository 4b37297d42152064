// Plugins that lie, or that cannot work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_plugins.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

// Scores by `behaviour`, and by nothing else.
std::unique_ptr<TurnHarness> HarnessWith(const berth::testing::Behaviour& behaviour,
                                         const TurnOptions& options) {
  pipeline::ProfileOptions profile;
  profile.scores.disabled = {"*"};
  profile.scores.enabled = {{"Fake", 1}};
  profile.filters.enabled = {"Fake"};
  return std::make_unique<TurnHarness>(
      options,
      [&](PluginRegistry& registry) {
        registry.Register("Fake", berth::testing::FakeFactory("Fake", behaviour));
      },
      profile);
}

TEST(PlacementCheckTest, HonestPluginsAreNeverWrong) {
  TurnHarness harness({.check_placements = 1});
  for (int i = 0; i < 6; ++i) {
    state::OpenSession hello =
        TurnHarness::Hello("n" + std::to_string(i), harness.next_stream++, 8000 + 500 * i);
    hello.node.labels = {{"zone", std::string(1, static_cast<char>('a' + i % 3))}};
    ASSERT_TRUE(harness.Ask(hello).status.ok());
  }
  for (int round = 0; round < 30; ++round) {
    TurnHarness::Job job;
    job.cpu_milli = 100 + 250 * (round % 4);
    job.tasks = 1 + static_cast<uint32_t>(round % 3);
    if (round % 5 == 0) job.terms = {{.kind = TermKind::kSpread, .topology_key = "zone"}};
    if (round % 5 == 1) {
      job.terms = {{.kind = TermKind::kAffinity, .topology_key = "zone", .weight = 3}};
    }
    harness.SubmitOk(job);
  }
  EXPECT_GE(harness.turn().counters().placements_checked, 50u);
  EXPECT_EQ(harness.turn().counters().placements_wrong, 0u);
}

TEST(PlacementCheckTest, APluginThatDependsOnMoreThanItDeclaresIsCaught) {
  Slot favourite = 0;
  berth::testing::Behaviour behaviour;
  behaviour.reads = kReadsStatic;  // a lie: what it says changes all the time
  behaviour.score = [&](Slot slot) { return slot == favourite ? 1000 : 0; };
  for (const int64_t every : {0, 1}) {
    favourite = 0;
    const auto harness = HarnessWith(behaviour, {.check_placements = every});
    for (const char* node : {"n0", "n1", "n2"}) harness->Connect(node);
    EXPECT_EQ(harness->TaskOf(harness->SubmitOk({})).row.attempt.node, "n0");
    favourite = 2;
    const JobId second = harness->SubmitOk({});
    EXPECT_EQ(harness->TaskOf(second).row.attempt.node, every == 0 ? "n0" : "n2");
    EXPECT_EQ(harness->turn().counters().placements_wrong, every == 0 ? 0u : 1u);
    if (every == 0) {
      EXPECT_THAT(harness->warnings, Each(Not(HasSubstr("declare"))));
    } else {
      EXPECT_THAT(harness->warnings,
                  Contains(::testing::AllOf(HasSubstr("to n0"), HasSubstr("to n2"),
                                            HasSubstr("its reads declare"), HasSubstr("Fake"))));
    }
  }
}

TEST(PlacementCheckTest, AFilterThatLiesIsCaughtWhereItLetsNobodyPass) {
  bool open = false;
  berth::testing::Behaviour behaviour;
  behaviour.passes = [&](Slot) { return open; };
  const auto harness = HarnessWith(behaviour, {.check_placements = 1});
  harness->Connect("n0");
  const JobId waits = harness->SubmitOk({});
  EXPECT_EQ(harness->StateOf(waits), state::TaskState::kParked);
  open = true;
  const JobId next = harness->SubmitOk({.cpu_milli = 2000});
  EXPECT_EQ(harness->StateOf(next), state::TaskState::kBound);
}

TEST(PluginErrorsTest, APluginThatCannotWorkIsNamedAndCountedAndTheTaskWaits) {
  berth::testing::Behaviour behaviour;
  behaviour.score = [](Slot) { return kMaxScore + 1; };
  const auto harness = HarnessWith(behaviour, {});
  EXPECT_EQ(harness->turn().counters().plugin_errors.at("Fake"), 0u) << "shown from the start";
  harness->Connect("n0");
  const JobId job = harness->SubmitOk({});
  EXPECT_EQ(harness->StateOf(job), state::TaskState::kParked);
  EXPECT_EQ(harness->turn().counters().plugin_errors.at("Fake"), 1u);
  EXPECT_THAT(harness->warnings,
              Contains(::testing::AllOf(HasSubstr("plugin \"Fake\""), HasSubstr("not from 0 to"),
                                        HasSubstr("tried again"))));
  // Tried again each second, told of ever more seldom.
  harness->warnings.clear();
  for (int i = 0; i < 4; ++i) {
    harness->now_ms += 1000;
    harness->Run();
  }
  EXPECT_EQ(harness->turn().counters().plugin_errors.at("Fake"), 5u);
  EXPECT_EQ(harness->warnings.size(), 2u);
  behaviour.score = [](Slot) { return 5; };
  harness->now_ms += 1000;
  harness->Run();
  EXPECT_EQ(harness->StateOf(job), state::TaskState::kBound);
}

TEST(PluginErrorsTest, AnOrderThatThrowsIsNamedAndTheTaskIsPlacedAllTheSame) {
  berth::testing::Behaviour behaviour;
  behaviour.throws_in = "Key";
  pipeline::ProfileOptions profile;
  profile.queue_sort = "Fake";
  TurnHarness harness(
      {},
      [&](PluginRegistry& registry) {
        registry.Register("Fake", berth::testing::FakeFactory("Fake", behaviour));
      },
      profile);
  harness.Connect("n0");
  const JobId job = harness.SubmitOk({});
  EXPECT_EQ(harness.StateOf(job), state::TaskState::kBound);
  EXPECT_THAT(harness.warnings,
              Contains(::testing::AllOf(HasSubstr("plugin \"Fake\" cannot sort: it threw"),
                                        HasSubstr("queued with the key 0"))));
}

TEST(PluginErrorsTest, AnExplanationNamesAFilterThatCannotSayWhy) {
  berth::testing::Behaviour behaviour;
  behaviour.passes = [](Slot) { return false; };
  behaviour.throws_in = "Diagnose";
  const auto harness = HarnessWith(behaviour, {});
  harness->Connect("n0");
  const JobId job = harness->SubmitOk({});
  EXPECT_EQ(harness->StateOf(job), state::TaskState::kParked);
  const Reply reply = harness->Ask(state::Explain{.object = {.job = job}});
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(reply.status.message()),
              HasSubstr("plugin \"Fake\" cannot say why it removes nodes: it threw"));
}

}  // namespace
}  // namespace berth::scheduler
