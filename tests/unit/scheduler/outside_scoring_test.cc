// Scores from outside, through the loop's turns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_args_builder.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using berth::testing::Arg;
using berth::testing::ArgMap;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

PluginArgs ScorerArgs(const char* address = "unix:/tmp/a.sock") {
  return ArgMap({{"address", Arg(address)}});
}

// Nothing but the scorer says where tasks go.
pipeline::ProfileOptions ScoredOptions(const PluginArgs& args = ScorerArgs()) {
  pipeline::ProfileOptions profile;
  profile.scores.disabled = {"*"};
  profile.scores.enabled = {{"RemoteScorer", 1}};
  profile.plugin_config = {{"RemoteScorer", args}};
  return profile;
}

class OutsideScoringTest : public ::testing::Test {
 protected:
  OutsideScoringTest()
      : harness_(
            // Every placement is held against a look at every node; and no node is ever silent.
            {.lease_ms = 10'000'000, .lost_after_ms = 10'000'000, .check_placements = 1},
            [](PluginRegistry&) {}, ScoredOptions()) {
    for (const char* node : {"n0", "n1", "n2"}) harness_.Connect(node, 64'000, 65'536);
  }
  ~OutsideScoringTest() override { EXPECT_EQ(harness_.turn().counters().placements_wrong, 0u); }

  state::ReadForScoring ReadCommand(const PluginArgs& args = ScorerArgs()) const {
    return {.profile = "default", .args = args, .after = cursor_};
  }
  // Reads to the end; the last page.
  ScoringReply Read() {
    for (;;) {
      auto reply = harness_.Get<ScoringReply>(ReadCommand());
      cursor_ = reply.page.next;
      for (const state::NodePicture& node : reply.page.nodes) {
        if (node.slot >= generations_.size()) generations_.resize(node.slot + 1);
        generations_[node.slot] = node.generation;
      }
      if (reply.page.complete) return reply;
    }
  }
  state::PutScores PutCommand(const ScoringReply& read, std::vector<int32_t> scores) const {
    state::PutScores put{.profile = "default",
                         .config = read.config,
                         .epoch = read.epoch,
                         .read_at_ms = read.now_ms,
                         .time_to_live_ms = 60'000,
                         .generations = nullptr,
                         .columns = {}};
    auto generations = generations_;
    generations.resize(scores.size());
    put.generations = std::make_shared<const std::vector<uint32_t>>(std::move(generations));
    put.columns.push_back({.shape = read.shapes.at(0).key, .scores = std::move(scores)});
    return put;
  }
  PutScoresReply Put(const ScoringReply& read, std::vector<int32_t> scores) {
    return harness_.Get<PutScoresReply>(PutCommand(read, std::move(scores)));
  }
  std::string PlacedOn(int32_t cpu_milli = 100) {
    return harness_.TaskOf(harness_.SubmitOk({.cpu_milli = cpu_milli})).row.attempt.node;
  }
  pipeline::Explanation ExplanationOf(JobId job) {
    return harness_.Get<ExplainReply>(state::Explain{.object = {.job = job}, .top = 3}).explanation;
  }

  TurnHarness harness_;
  std::optional<state::PictureCursor> cursor_;
  std::vector<uint32_t> generations_;
};

TEST_F(OutsideScoringTest, TellsTheShapesThatTasksHadLastFirst) {
  EXPECT_THAT(Read().shapes, IsEmpty());
  harness_.SubmitOk({.cpu_milli = 100});
  harness_.SubmitOk({.cpu_milli = 200});
  harness_.SubmitOk({.cpu_milli = 100});
  const ScoringReply read = Read();
  ASSERT_THAT(read.shapes, SizeIs(2));
  EXPECT_EQ(read.shapes[0].needs->requests.builtin[kCpu], 100);
  EXPECT_EQ(read.shapes[1].needs->requests.builtin[kCpu], 200);
  EXPECT_FALSE(read.shapes[0].has_scores);
  EXPECT_EQ(read.slots, 3u);

  auto one = ReadCommand();
  one.most_shapes = 1;
  EXPECT_THAT(harness_.Get<ScoringReply>(one).shapes, SizeIs(1));
}

TEST_F(OutsideScoringTest, PlacementFollowsTheScores) {
  PlacedOn();
  for (const auto& [scores, node] : {std::pair(std::vector<int32_t>{0, 9, 0}, "n1"),
                                     std::pair(std::vector<int32_t>{0, 9, 10}, "n2"),
                                     std::pair(std::vector<int32_t>{kMaxScore, 9, 10}, "n0")}) {
    EXPECT_EQ(Put(Read(), scores).taken, 1u);
    EXPECT_EQ(PlacedOn(), node);
    EXPECT_EQ(PlacedOn(), node);
  }
  EXPECT_TRUE(Read().shapes[0].has_scores);
}

TEST_F(OutsideScoringTest, AShapeIsKnownAfterItsTasksHaveGone) {
  const JobId job = harness_.SubmitOk({.cpu_milli = 100});
  const ScoringReply before = Read();
  harness_.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
  harness_.turn();  // the job may be forgotten; its shape is not
  EXPECT_EQ(Read().shapes.at(0).key, before.shapes.at(0).key);
  Put(before, {0, 9, 0});
  EXPECT_EQ(PlacedOn(), "n1");
}

TEST_F(OutsideScoringTest, ScoresOfOneShapeAreNoOthers) {
  PlacedOn(100);
  Put(Read(), {0, 0, 5});
  const std::string other = PlacedOn(200);
  Put(Read(), {1, 0, 0});
  EXPECT_EQ(PlacedOn(200), "n0");
  EXPECT_EQ(PlacedOn(100), "n2");
}

TEST_F(OutsideScoringTest, CountAsNothingWhenTheyAreStale) {
  PlacedOn();
  const std::string unscored = PlacedOn();  // by rank alone
  const std::vector<std::string> nodes = {"n0", "n1", "n2"};
  std::vector<int32_t> scores(3, 0);
  const size_t other = unscored == "n1" ? 2 : 1;
  scores[other] = 9;
  Put(Read(), scores);
  const int64_t put_at = harness_.now_ms;
  EXPECT_EQ(PlacedOn(), nodes[other]);
  EXPECT_EQ(harness_.Run().next_deadline_ms.value(), put_at + 60'000);

  harness_.now_ms = put_at + 59'999;
  EXPECT_EQ(PlacedOn(), nodes[other]);
  harness_.now_ms = put_at + 60'000;
  EXPECT_EQ(PlacedOn(), unscored);
  EXPECT_FALSE(Read().shapes[0].has_scores);

  // They come back.
  Put(Read(), scores);
  EXPECT_EQ(PlacedOn(), nodes[other]);
}

TEST_F(OutsideScoringTest, TimeRunsFromTheStateThatWasScored) {
  PlacedOn();
  const ScoringReply read = Read();
  harness_.now_ms += 30'000;
  Put(read, {0, 0, 9});
  EXPECT_EQ(harness_.Run().next_deadline_ms.value(), read.now_ms + 60'000);
  harness_.now_ms += 31'000;
  const PutScoresReply late = Put(read, {0, 0, 9});
  EXPECT_EQ(late.taken, 0u);
  EXPECT_EQ(late.refused, 1u);
}

TEST_F(OutsideScoringTest, AScoreIsNotGivenToAnotherNodeInTheSlot) {
  PlacedOn();
  const ScoringReply read = Read();
  auto put = PutCommand(read, {0, 0, 9});
  auto generations = *put.generations;
  ++generations[2];  // what was scored is not the node that is there
  put.generations = std::make_shared<const std::vector<uint32_t>>(generations);
  EXPECT_EQ(harness_.Get<PutScoresReply>(put).taken, 1u);
  EXPECT_THAT(harness_.turn().state().nodes().outside_scores().Of(read.shapes[0].key.id),
              ElementsAre(0, 0, 0));
}

TEST_F(OutsideScoringTest, NodesThatJoinHaveNoScore) {
  PlacedOn();
  const ScoringReply read = Read();
  harness_.Connect("n3", 64'000, 65'536);
  Put(read, {0, 1, 0});
  EXPECT_EQ(PlacedOn(), "n1");
  // Nor when fewer slots were scored than there are.
  Put(Read(), {1});
  EXPECT_EQ(PlacedOn(), "n0");
}

TEST_F(OutsideScoringTest, RefusesWhatIsWrongAsAWhole) {
  PlacedOn();
  const ScoringReply read = Read();
  for (const std::vector<int32_t>& scores :
       {std::vector<int32_t>{0, -1, 0}, std::vector<int32_t>{0, kMaxScore + 1, 0}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(harness_.Ask(PutCommand(read, scores)).status));
  }
  auto short_one = PutCommand(read, {1, 2, 3});
  short_one.columns[0].scores.pop_back();
  EXPECT_TRUE(absl::IsInvalidArgument(harness_.Ask(short_one).status));
  EXPECT_THAT(harness_.turn().state().nodes().outside_scores().Of(read.shapes[0].key.id),
              IsEmpty());

  auto unknown = PutCommand(read, {1, 2, 3});
  unknown.columns[0].shape.serial += 1000;
  EXPECT_EQ(harness_.Get<PutScoresReply>(unknown).refused, 1u);
  auto elsewhere = PutCommand(read, {1, 2, 3});
  elsewhere.profile = "other";
  EXPECT_TRUE(absl::IsFailedPrecondition(harness_.Ask(elsewhere).status));
  auto old = PutCommand(read, {1, 2, 3});
  ++old.config;
  EXPECT_TRUE(absl::IsFailedPrecondition(harness_.Ask(old).status));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      harness_.Ask(ReadCommand(ScorerArgs("unix:/tmp/other.sock"))).status));
}

TEST_F(OutsideScoringTest, ExplanationsSayOfWhatEpochTheyAreOrWhyTheyDoNotCount) {
  const JobId job = harness_.SubmitOk({.cpu_milli = 100});
  const auto note = [&] {
    const auto explanation = ExplanationOf(job);
    EXPECT_THAT(explanation.score_notes, SizeIs(1));
    EXPECT_EQ(explanation.score_notes.at(0).plugin, "RemoteScorer");
    return explanation.score_notes.at(0).text;
  };
  const auto weight = [&] { return ExplanationOf(job).scores.at(0).plugins.at(0).weight; };
  EXPECT_THAT(note(), HasSubstr("counts as 0: it has not scored such tasks yet"));
  EXPECT_EQ(weight(), 0);

  const ScoringReply read = Read();
  Put(read, {0, 7, 0});
  harness_.now_ms += 5000;
  EXPECT_EQ(note(), "as of epoch " + std::to_string(read.epoch) + ", 5.0s ago");
  EXPECT_EQ(weight(), 1);
  EXPECT_EQ(ExplanationOf(job).scores.at(0).node, "n1");
  EXPECT_EQ(ExplanationOf(job).scores.at(0).plugins.at(0).score, 7);

  harness_.Ask(state::NoteScorer{
      .profile = "default", .config = read.config, .trouble = "the scorer at x fails: gone"});
  EXPECT_THAT(note(), HasSubstr("5.0s ago; the scorer at x fails: gone"));
  harness_.now_ms += 57'000;
  EXPECT_THAT(note(), HasSubstr("counts as 0: its scores are stale since 2.0s; the scorer at x"));
  EXPECT_EQ(weight(), 0);

  Put(Read(), {0, 7, 0});
  harness_.Ask(state::NoteScorer{.profile = "default", .config = read.config, .trouble = ""});
  EXPECT_THAT(note(), Not(HasSubstr("fails")));
}

TEST_F(OutsideScoringTest, CountAsNothingWhenTheScorerIsGivenUp) {
  PlacedOn();
  const std::string unscored = PlacedOn();
  const std::vector<std::string> nodes = {"n0", "n1", "n2"};
  std::vector<int32_t> scores(3, 0);
  const size_t other = unscored == "n1" ? 2 : 1;
  scores[other] = 9;
  const ScoringReply read = Read();
  Put(read, scores);
  harness_.Ask(state::NoteScorer{
      .profile = "default", .config = read.config + 1, .trouble = "", .is_given_up = true});
  EXPECT_EQ(PlacedOn(), nodes[other]);  // it was about another scorer
  harness_.Ask(state::NoteScorer{
      .profile = "default", .config = read.config, .trouble = "it fails", .is_given_up = true});
  EXPECT_EQ(PlacedOn(), unscored);
  harness_.now_ms += 1000;
  EXPECT_THAT(ExplanationOf(JobId{1}).score_notes.at(0).text,
              HasSubstr("counts as 0: its scores are stale since 1.0s; it fails"));
  EXPECT_EQ(harness_.turn().scored_shapes().at(0).stale, 1u);
  Put(Read(), scores);
  EXPECT_EQ(PlacedOn(), nodes[other]);
}

TEST_F(OutsideScoringTest, PlansSeeTheScores) {
  PlacedOn();
  Put(Read(), {0, 0, 3});
  const auto plan = harness_.Get<PlanReply>(
      state::PlanJob{.spec = TurnHarness::SpecOf({.cpu_milli = 100}), .top = 3});
  ASSERT_THAT(plan.tasks, SizeIs(1));
  EXPECT_EQ(plan.tasks[0].node, "n2");
  EXPECT_THAT(plan.tasks[0].explanation.score_notes, SizeIs(1));
}

TEST_F(OutsideScoringTest, AReloadKeepsScoresOfAScorerThatStays) {
  PlacedOn();
  const ScoringReply read = Read();
  Put(read, {0, 0, 3});
  const auto reload = [&](const std::vector<pipeline::ProfileOptions>& profiles) {
    TurnInput input;
    input.now_ms = harness_.now_ms;
    input.work_units = 1000;
    input.profile_changes.push_back({.principal = Operator(), .profiles = profiles});
    return harness_.turn().Run(std::move(input)).profile_answers.at(0);
  };
  ASSERT_TRUE(reload({ScoredOptions()}).ok());
  EXPECT_EQ(PlacedOn(), "n2");
  // A profile that is refused changes nothing.
  EXPECT_FALSE(reload({ScoredOptions(ScorerArgs("10.0.0.1:1"))}).ok());
  EXPECT_EQ(PlacedOn(), "n2");
  EXPECT_EQ(Read().config, read.config);

  ASSERT_TRUE(reload({ScoredOptions(ScorerArgs("unix:/tmp/b.sock"))}).ok());
  EXPECT_THAT(harness_.turn().state().nodes().outside_scores().Of(read.shapes[0].key.id),
              IsEmpty());
  EXPECT_TRUE(absl::IsFailedPrecondition(harness_.Ask(PutCommand(read, {0, 0, 3})).status));
  const auto other = harness_.Get<ScoringReply>(ReadCommand(ScorerArgs("unix:/tmp/b.sock")));
  EXPECT_NE(other.config, read.config);
  EXPECT_THAT(other.shapes, SizeIs(1));

  ASSERT_TRUE(reload({pipeline::ProfileOptions{}}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(harness_.Ask(ReadCommand()).status));
  EXPECT_THAT(harness_.turn().scored_shapes(), IsEmpty());
  PlacedOn();
}

TEST_F(OutsideScoringTest, KeepsNoMoreShapesThanItMay) {
  const size_t most = OutsideScoring::kMostShapes;
  for (size_t i = 0; i < most + 20; ++i) {
    const JobId job = harness_.SubmitOk({.cpu_milli = static_cast<int32_t>(i % 2000) + 1});
    harness_.Get<CancelReply>(state::Cancel{.objects = {{.job = job}}});
    if (i == 0) Put(Read(), {0, 1, 0});
  }
  EXPECT_EQ(harness_.turn().scored_shapes().at(0).unscored, most);
  EXPECT_EQ(harness_.turn().scored_shapes().at(0).scored, 0u);
  auto all = ReadCommand();
  all.most_shapes = 5000;
  EXPECT_THAT(harness_.Get<ScoringReply>(all).shapes, SizeIs(most));
  // The first went, and its column with it.
  EXPECT_EQ(harness_.turn().state().nodes().outside_scores().size(), 0u);
}

TEST_F(OutsideScoringTest, ShapesWithRulesGoWithTheirJobs) {
  harness_.SubmitOk({.cpu_milli = 100,
                     .labels = {{"app", "db"}},
                     .terms = {{.kind = TermKind::kSpread, .topology_key = "zone", .weight = 3}}});
  const ScoringReply read = Read();
  ASSERT_THAT(read.shapes, SizeIs(1));
  EXPECT_EQ(Put(read, {0, 0, 4}).taken, 1u);
  EXPECT_EQ(harness_.turn().scored_shapes().at(0).scored, 1u);
}

TEST(OutsideScoringOffTest, WithoutAScorerNothingIsKept) {
  TurnHarness harness;
  harness.Connect("n0");
  harness.SubmitOk({});
  EXPECT_TRUE(absl::IsFailedPrecondition(
      harness.Ask(state::ReadForScoring{.profile = "default", .args = {}, .after = {}}).status));
  EXPECT_THAT(harness.turn().scored_shapes(), IsEmpty());
  EXPECT_THAT(harness.Get<ExplainReply>(state::Explain{.object = {.job = JobId{1}}, .top = 3})
                  .explanation.score_notes,
              IsEmpty());
}

}  // namespace
}  // namespace berth::scheduler
