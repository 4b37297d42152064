#include "store/record_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"
#include "berth/store/v1/records.pb.h"
#include "store/record_frame.h"
#include "tests/unit/store/sample_state.h"

namespace berth::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Bytes that are read and written again identically are the golden records' business; here is what
// they mean, and what is refused.

TEST(RecordCodecTest, AJobKeepsAllButItsSpecificationAndCounts) {
  const Record record = Encode(SampleJob());
  const auto content = DecodeJob(record.key, record.value);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->spec_blob, SampleSpec().blob);
  const state::JobView& job = content->job;
  EXPECT_EQ(job.spec, nullptr);
  EXPECT_EQ(job.id, JobId{12});
  EXPECT_EQ(job.submitted_by, "uid:1000");
  EXPECT_TRUE(job.run_as.verified);
  EXPECT_EQ(job.run_as.gid, 100u);
  EXPECT_EQ(job.ended_at_ms, 405'000);
  EXPECT_EQ(job.exit_code, 137);
  EXPECT_THAT(job.rest, ElementsAre(state::TaskState::kCancelled, state::TaskState::kQueued));
}

TEST(RecordCodecTest, AJobWhoseSpecificationHasNoAddressIsRefused) {
  const Record record = Encode(SampleJob());
  v1::JobRecord message;
  ASSERT_TRUE(ParseRecord(Table::kJobs, record.key, record.value, message).ok());
  message.set_spec_blob("b1");
  const auto content = DecodeJob(record.key, FrameRecord(Table::kJobs, record.key, message));
  EXPECT_TRUE(absl::IsDataLoss(content.status()));
  EXPECT_THAT(base::S(content.status().message()),
              HasSubstr("job 12: \"b1\" is no address of a specification"));
}

TEST(RecordCodecTest, ANumericallyRootUserIsNotTakenForNone) {
  state::JobView job = SampleJob();
  job.run_as = {.verified = true, .uid = 0, .gid = 0};
  Record record = Encode(job);
  EXPECT_TRUE(DecodeJob(record.key, record.value)->job.run_as.verified);
  job.run_as = {};
  record = Encode(job);
  EXPECT_FALSE(DecodeJob(record.key, record.value)->job.run_as.verified);
}

TEST(RecordCodecTest, ATaskKeepsItsAttemptsAndItsPlace) {
  const state::TaskStatusView sample = SampleTask();
  const Record record = Encode(sample);
  const auto content = DecodeTask(record.key, record.value);
  ASSERT_TRUE(content.ok()) << content.status();
  const state::TaskStatusView& task = content->task;
  EXPECT_EQ(task.job, JobId{12});
  EXPECT_EQ(task.group, 1u);
  EXPECT_EQ(task.position, 2u);
  EXPECT_EQ(task.row.state, state::TaskState::kStopping);
  EXPECT_EQ(task.row.wish, state::AttemptEnd::kCancelled);
  EXPECT_EQ(task.row.attempt, sample.row.attempt);
  EXPECT_EQ(task.row.past, sample.row.past);
  EXPECT_EQ(task.row.slot, 4u);
  EXPECT_EQ(task.row.slot_generation, 9u);
  EXPECT_EQ(task.row.reservation, sample.row.reservation);
  EXPECT_EQ(task.row.decision->scores, sample.row.decision->scores);
  EXPECT_EQ(content->sheet, Encode(SampleSheet()).key);
}

TEST(RecordCodecTest, ATaskWithoutAPlaceHasNone) {
  state::TaskStatusView task;
  task.job = JobId{1};
  const Record record = Encode(task);
  const auto content = DecodeTask(record.key, record.value);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->task.row.slot, kNoSlot);
  EXPECT_EQ(content->task.row.attempt, state::AttemptRow{});
  EXPECT_EQ(content->task.row.attempt.exit_code, -1);
  EXPECT_EQ(content->task.row.decision, nullptr);
  EXPECT_EQ(content->sheet, "");
}

TEST(RecordCodecTest, ATaskKeepsTheMemoryThatItsAttemptsGrewTo) {
  state::TaskStatusView task = SampleTask();
  task.row.memory_mib = 24'576;
  task.row.attempt.memory_mib = 16'384;
  task.row.attempts_before = 4;  // three of them forgotten
  task.row.started_at_ms = 88'000;
  task.row.own_shape = 7;  // of this process
  const Record record = Encode(task);
  const auto content = DecodeTask(record.key, record.value);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->task.row.memory_mib, 24'576);
  EXPECT_EQ(content->task.row.attempt.memory_mib, 16'384);
  EXPECT_EQ(content->task.row.attempts_before, 4u);
  EXPECT_EQ(content->task.row.started_at_ms, 88'000);
  EXPECT_EQ(content->task.row.own_shape, std::nullopt);
}

TEST(RecordCodecTest, AnExitCodeOfZeroIsNotTakenForNone) {
  state::TaskStatusView task = SampleTask();
  task.row.attempt.exit_code = 0;
  const Record record = Encode(task);
  EXPECT_EQ(DecodeTask(record.key, record.value)->task.row.attempt.exit_code, 0);
}

TEST(RecordCodecTest, HistoryStandsOnItsOwn) {
  const Record record = Encode({78, 4}, MakeHistoryEntry(SampleHistory()));
  const auto entry = DecodeHistory(record.key, record.value);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(*entry, MakeHistoryEntry(SampleHistory()));
  EXPECT_EQ(entry->group_name, "worker");
  EXPECT_EQ(entry->index, 18u);
  EXPECT_EQ(entry->group_size, 3);
  EXPECT_EQ(entry->requests.builtin[kMemory], 2048);
  EXPECT_EQ(entry->labels.at("stage"), "2");
  EXPECT_EQ(entry->attempt.usage.cpu_time_ms, 61'234);
}

TEST(RecordCodecTest, TheChangeLogIsReadBack) {
  const Record record = Encode(SampleChanges());
  const auto entry = DecodeChangeLog(record.key, record.value);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(*entry, SampleChanges());
}

TEST(RecordCodecTest, EqualSheetsHaveOneKey) {
  state::ScoreSheet other = SampleSheet();
  EXPECT_EQ(Encode(other).key, Encode(SampleSheet()).key);
  other.weights[1] = 2;
  EXPECT_NE(Encode(other).key, Encode(SampleSheet()).key);
}

// A task's record with something in it that no version writes.
absl::Status DecodeAltered(const std::function<void(v1::TaskRecord&)>& alter) {
  const Record record = Encode(SampleTask());
  v1::TaskRecord message;
  EXPECT_TRUE(ParseRecord(Table::kTasks, record.key, record.value, message).ok());
  alter(message);
  return DecodeTask(record.key, FrameRecord(Table::kTasks, record.key, message)).status();
}

TEST(RecordCodecTest, NumbersOutOfRangeAreRefusedByName) {
  EXPECT_TRUE(DecodeAltered([](v1::TaskRecord&) {}).ok());
  const absl::Status state = DecodeAltered([](v1::TaskRecord& task) { task.set_state(14); });
  EXPECT_TRUE(absl::IsDataLoss(state));
  EXPECT_THAT(
      base::S(state.message()),
      HasSubstr("table tasks, a task of job 12 (group 1, position 2): a task's state is 14"));
  EXPECT_TRUE(absl::IsDataLoss(DecodeAltered([](v1::TaskRecord& task) { task.set_state(0); })));
  EXPECT_TRUE(absl::IsDataLoss(DecodeAltered([](v1::TaskRecord& task) { task.set_wish(11); })));
  EXPECT_TRUE(
      absl::IsDataLoss(DecodeAltered([](v1::TaskRecord& task) { task.set_losses(70'000); })));
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeAltered([](v1::TaskRecord& task) { task.mutable_attempt()->set_end(99); })));
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeAltered([](v1::TaskRecord& task) { task.mutable_past(0)->set_reason(1 << 20); })));
  EXPECT_TRUE(absl::IsDataLoss(DecodeAltered([](v1::TaskRecord& task) {
    task.mutable_holding()->mutable_devices(0)->set_share_milli(1001);
  })));
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeAltered([](v1::TaskRecord& task) { task.mutable_holding()->set_slot(kNoSlot); })));
}

TEST(RecordCodecTest, KeysOfAnotherFormAreRefused) {
  const Record record = Encode(SampleTask());
  EXPECT_TRUE(absl::IsDataLoss(DecodeTask("x", record.value).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeMeta("other", Encode(SampleMeta()).value).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeJob("", Encode(SampleJob()).value).status()));
}

TEST(RecordCodecTest, ACapacityOfRanksThatIsNoPowerOfTwoIsRefused) {
  state::ClusterMeta meta = SampleMeta();
  for (const uint32_t capacity : {0u, 100u}) {
    meta.rank_capacity = capacity;
    const Record record = Encode(meta);
    EXPECT_TRUE(absl::IsDataLoss(DecodeMeta(record.key, record.value).status())) << capacity;
  }
}

}  // namespace
}  // namespace berth::store
