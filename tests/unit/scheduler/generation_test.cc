// What a restored state does: ids, epochs and lists of a new generation; snapshots are noted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "state/generation.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kEpoch = 2 * state::kEpochsPerGeneration + 500;

state::ClusterMeta SecondGeneration() {
  return {.cluster_id = "cluster-a", .generation = 2, .term = 4, .epoch = kEpoch, .seed = 1};
}

TEST(GenerationTest, IdsBeginAnewUnderTheGeneration) {
  TurnHarness loop({}, SecondGeneration());
  EXPECT_EQ(loop.SubmitOk({}).value, 20'000'000'001u);
  EXPECT_EQ(loop.SubmitOk({}).value, 20'000'000'002u);
}

TEST(GenerationTest, AWatchOfAnOldTimelineIsOutOfRange) {
  TurnHarness loop({}, SecondGeneration());
  loop.SubmitOk({});
  for (const uint64_t epoch : {uint64_t{500}, state::kEpochsPerGeneration + 700, kEpoch - 2}) {
    const Reply reply = loop.Ask(state::CatchUp{.from_epoch = epoch, .jobs = true});
    EXPECT_TRUE(absl::IsOutOfRange(reply.status)) << epoch;
    EXPECT_EQ(reply.reason, Reason::kEpochTooOld);
  }
  EXPECT_TRUE(loop.Ask(state::CatchUp{.from_epoch = kEpoch, .jobs = true}).status.ok());
}

TEST(GenerationTest, AListOfAnOldTimelineIsOutOfRange) {
  TurnHarness loop({}, SecondGeneration());
  for (const state::CommandBody& old : {state::CommandBody(state::ListJobs{.first_epoch = 700}),
                                        state::CommandBody(state::ListTasks{.first_epoch = 700}),
                                        state::CommandBody(state::ListNodes{.first_epoch = 700})}) {
    const Reply reply = loop.Ask(old);
    EXPECT_TRUE(absl::IsOutOfRange(reply.status)) << reply.status;
    EXPECT_EQ(reply.reason, Reason::kEpochTooOld);
    EXPECT_EQ(reply.field, "page_token");
  }
  EXPECT_TRUE(loop.Ask(state::ListJobs{.first_epoch = kEpoch}).status.ok());
}

TEST(GenerationTest, IdsNeverRunIntoTheNextGenerations) {
  state::ClusterMeta meta = SecondGeneration();
  meta.next_job = state::kJobsPerGeneration - 1;
  TurnHarness loop({}, meta);
  EXPECT_EQ(loop.SubmitOk({}).value, 29'999'999'999u);
  const Reply reply = loop.Submit({});
  EXPECT_TRUE(absl::IsFailedPrecondition(reply.status)) << reply.status;
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("generation 2 are used up"));
}

TEST(GenerationTest, SnapshotsLeaveAnAuditRecordAlsoWhenRefused) {
  TurnHarness loop;
  const auto audit = [&] {
    for (const state::Change& change : loop.batches.back()->changes) {
      if (const auto* found = std::get_if<state::AuditChange>(&change)) {
        return found->audit.principal + " " + found->audit.action + " " + found->audit.outcome;
      }
    }
    return std::string();
  };
  EXPECT_TRUE(loop.Ask(state::NoteSnapshot{}).status.ok());
  EXPECT_EQ(audit(), "uid:0 save_snapshot ok");
  EXPECT_TRUE(
      absl::IsPermissionDenied(loop.Ask(state::NoteSnapshot{}, User("uid:5", {"default"})).status));
  EXPECT_EQ(audit(), "uid:5 save_snapshot refused");
}

}  // namespace
}  // namespace berth::scheduler
