#include "store/batch_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "store/record_codec.h"
#include "store/record_keys.h"
#include "tests/unit/store/sample_state.h"

namespace berth::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

state::ChangeBatch BatchOf(uint64_t epoch, std::vector<state::Change> changes) {
  return {.epoch = epoch, .term = 1, .changes = std::move(changes)};
}

state::TaskChange TaskAt(uint32_t position, uint64_t job = 12, uint32_t group = 1) {
  state::TaskChange change;
  change.task.job = JobId{job};
  change.task.group = group;
  change.task.position = position;
  return change;
}

std::vector<WriteBatch::Write> WritesTo(Table table, const WriteBatch& batch) {
  std::vector<WriteBatch::Write> writes;
  std::copy_if(batch.writes().begin(), batch.writes().end(), std::back_inserter(writes),
               [&](const WriteBatch::Write& write) { return write.table == table; });
  return writes;
}

// The change log's entry among the writes.
ChangeLogEntry LogOf(const WriteBatch& batch) {
  for (const WriteBatch::Write& write : WritesTo(Table::kChangeLog, batch)) {
    if (write.kind != WriteBatch::Kind::kPut) continue;
    const auto entry = DecodeChangeLog(write.key, write.value);
    EXPECT_TRUE(entry.ok()) << entry.status();
    return entry.ok() ? *entry : ChangeLogEntry{};
  }
  ADD_FAILURE() << "the batch has no change log";
  return {};
}

ChangeLogEntry Logged(std::vector<state::Change> changes) {
  return LogOf(BatchEncoder({}).Encode(BatchOf(1, std::move(changes))));
}

TEST(BatchEncoderTest, WritesOneRecordForEachDurableChange) {
  const WriteBatch writes = BatchEncoder({}).Encode(SampleChangeBatch("c"));
  for (const Table table : kTables) {
    const size_t records = table == Table::kFeatures ? 2 : 1;  // hints, and what was read
    EXPECT_THAT(WritesTo(table, writes), SizeIs(records)) << ToString(table);
  }
  EXPECT_EQ(WritesTo(Table::kTasks, writes)[0].value, Encode(SampleTask()).value);
  EXPECT_EQ(WritesTo(Table::kBlobs, writes)[0].content(), SampleBlob());
}

TEST(BatchEncoderTest, WhatDoesNotLastIsInTheChangeLogOnly) {
  const WriteBatch writes = BatchEncoder({}).Encode(
      BatchOf(1, {state::JobChange{.job = SampleJob(), .durable = false},
                  state::NodeChange{.node = SampleNode(), .durable = false}}));
  EXPECT_THAT(WritesTo(Table::kJobs, writes), IsEmpty());
  EXPECT_THAT(WritesTo(Table::kNodes, writes), IsEmpty());
  const ChangeLogEntry log = LogOf(writes);
  EXPECT_THAT(log.jobs, ElementsAre(JobId{12}));
  EXPECT_THAT(log.nodes, ElementsAre(4));
}

TEST(BatchEncoderTest, EveryEpochHasALogEntryHoweverLittleChanged) {
  EXPECT_EQ(Logged({}), (ChangeLogEntry{.epoch = 1}));
}

TEST(BatchEncoderTest, TasksAreLoggedInRuns) {
  const ChangeLogEntry log = Logged(
      {TaskAt(7), TaskAt(5), TaskAt(6), TaskAt(9), TaskAt(5), TaskAt(6, 12, 0), TaskAt(7, 11)});
  EXPECT_THAT(log.tasks, ElementsAre(TaskRun{JobId{11}, 1, 7, 1}, TaskRun{JobId{12}, 0, 6, 1},
                                     TaskRun{JobId{12}, 1, 5, 3}, TaskRun{JobId{12}, 1, 9, 1}));
}

TEST(BatchEncoderTest, ARemovedJobIsLoggedAsRemovedOnly) {
  const ChangeLogEntry log =
      Logged({state::JobChange{.job = SampleJob()}, TaskAt(1),
              state::JobRemoval{.job = JobId{12}, .spec = nullptr, .ns = "vision"}});
  EXPECT_THAT(log.jobs, IsEmpty());
  EXPECT_THAT(log.tasks, IsEmpty());
  EXPECT_THAT(log.removed_jobs, ElementsAre(RemovedJob{JobId{12}, "vision"}));
}

TEST(BatchEncoderTest, ASlotThatChangesHandsIsLoggedForBothNodes) {
  const ChangeLogEntry log =
      Logged({state::NodeRemoval{4, "n2"}, state::NodeChange{.node = SampleNode()}});
  EXPECT_THAT(log.removed_nodes, ElementsAre(RemovedNode{4, "n2"}));
  EXPECT_THAT(log.nodes, ElementsAre(4));
}

TEST(BatchEncoderTest, ARemovedNodeLeavesNoConversationBehind) {
  const WriteBatch writes = BatchEncoder({}).Encode(BatchOf(1, {state::NodeRemoval{4, "n2"}}));
  for (const Table table : {Table::kNodes, Table::kNodeLinks}) {
    const auto deletes = WritesTo(table, writes);
    ASSERT_THAT(deletes, SizeIs(1));
    EXPECT_EQ(deletes[0].kind, WriteBatch::Kind::kDelete);
    EXPECT_EQ(deletes[0].key, SlotKey(4));
  }
}

TEST(BatchEncoderTest, ASmallJobIsRemovedKeyByKey) {
  const auto spec = std::make_shared<const state::JobSpec>(SampleSpec());
  const WriteBatch writes =
      BatchEncoder({}).Encode(BatchOf(1, {state::JobRemoval{.job = JobId{12}, .spec = spec}}));
  std::vector<std::string> keys;
  for (const WriteBatch::Write& write : WritesTo(Table::kTasks, writes)) {
    EXPECT_EQ(write.kind, WriteBatch::Kind::kDelete);
    keys.push_back(write.key);
  }
  EXPECT_THAT(keys,
              ElementsAre(TaskRecordKey({JobId{12}, 0, 0}), TaskRecordKey({JobId{12}, 1, 0}),
                          TaskRecordKey({JobId{12}, 1, 1}), TaskRecordKey({JobId{12}, 1, 2})));
}

TEST(BatchEncoderTest, ALargeJobIsRemovedAsARange) {
  state::JobSpec spec = SampleSpec();
  spec.groups[1].ranges = {{.first = 0, .last = 999'999}};
  const WriteBatch writes = BatchEncoder({}).Encode(BatchOf(
      1, {state::JobRemoval{.job = JobId{12}, .spec = std::make_shared<state::JobSpec>(spec)}}));
  const auto deletes = WritesTo(Table::kTasks, writes);
  ASSERT_THAT(deletes, SizeIs(1));
  EXPECT_EQ(deletes[0].kind, WriteBatch::Kind::kDeleteRange);
  EXPECT_EQ(deletes[0].key, JobKey(JobId{12}));
  EXPECT_EQ(deletes[0].value, JobKey(JobId{13}));
}

TEST(BatchEncoderTest, JournalEntriesOfAnEpochHaveKeysOfTheirOwn) {
  const WriteBatch writes = BatchEncoder({}).Encode(
      BatchOf(9, {state::AuditChange{SampleAudit()}, state::AuditChange{SampleAudit()},
                  state::HistoryChange{SampleHistory()}, state::HistoryChange{SampleHistory()}}));
  for (const Table table : {Table::kAudit, Table::kHistory}) {
    const auto puts = WritesTo(table, writes);
    ASSERT_THAT(puts, SizeIs(2));
    EXPECT_EQ(puts[0].key, JournalKey(9, 0));
    EXPECT_EQ(puts[1].key, JournalKey(9, 1));
  }
}

TEST(BatchEncoderTest, ASheetIsWrittenOnceByEachEncoder) {
  BatchEncoder encoder({});
  const state::TaskStatusView task = SampleTask();
  EXPECT_THAT(WritesTo(Table::kSheets, encoder.Encode(BatchOf(1, {state::TaskChange{task}}))),
              SizeIs(1));
  const WriteBatch second = encoder.Encode(BatchOf(2, {state::TaskChange{task}}));
  EXPECT_THAT(WritesTo(Table::kSheets, second), IsEmpty());
  EXPECT_EQ(WritesTo(Table::kTasks, second)[0].value, Encode(task).value);
  BatchEncoder after_restart({});
  EXPECT_THAT(WritesTo(Table::kSheets, after_restart.Encode(BatchOf(3, {state::TaskChange{task}}))),
              SizeIs(1));
}

TEST(BatchEncoderTest, TheLogKeepsItsLastEpochsAlsoAfterARestartWithALowerBound) {
  BatchEncoder encoder({.watch_history_epochs = 3});
  // What an earlier run with a higher bound may have left goes in one sweep.
  const auto first = WritesTo(Table::kChangeLog, encoder.Encode(BatchOf(100, {})));
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_EQ(first[1].kind, WriteBatch::Kind::kDeleteRange);
  EXPECT_EQ(first[1].key, EpochKey(0));
  EXPECT_EQ(first[1].value, EpochKey(98));
  const auto second = WritesTo(Table::kChangeLog, encoder.Encode(BatchOf(101, {})));
  ASSERT_THAT(second, SizeIs(2));
  EXPECT_EQ(second[1].kind, WriteBatch::Kind::kDelete);
  EXPECT_EQ(second[1].key, EpochKey(98));
}

}  // namespace
}  // namespace berth::store
