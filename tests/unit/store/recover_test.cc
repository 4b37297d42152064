#include "store/recover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/sha256.h"
#include "base/strings.h"
#include "store/batch_encoder.h"
#include "store/memory_store.h"
#include "store/record_codec.h"
#include "store/record_keys.h"
#include "tests/unit/store/sample_state.h"

namespace berth::store {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RecoverTest : public ::testing::Test {
 protected:
  void CommitSample() { Commit(SampleChangeBatch(store_.cluster_id()).changes); }
  // As the next epoch.
  void Commit(std::vector<state::Change> changes) {
    const uint64_t epoch = store_.head().epoch + 1;
    const WriteBatch writes =
        encoder_.Encode({.epoch = epoch, .term = 1, .changes = std::move(changes)});
    const absl::Status status = store_.Commit(writes, epoch, 1);
    ASSERT_TRUE(status.ok()) << status;
  }
  void Write(const WriteBatch& writes) {
    ASSERT_TRUE(store_.Commit(writes, store_.head().epoch + 1, 1).ok());
  }
  absl::StatusOr<RecoveredState> Recover() { return store::Recover(store_, SampleDecoders()); }
  std::string Complaint() {
    const auto found = Recover();
    EXPECT_TRUE(absl::IsDataLoss(found.status())) << found.status();
    return base::S(found.status().message());
  }

  const std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>("c1");
  MemoryStore store_{disk_};
  BatchEncoder encoder_{{}};
};

TEST_F(RecoverTest, AnEmptyStoreIsANewCluster) {
  const auto found = Recover();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->meta.cluster_id, "c1");
  EXPECT_EQ(found->meta.epoch, 0u);
  EXPECT_EQ(found->meta.next_job, 1u);
  EXPECT_THAT(found->jobs, IsEmpty());
  EXPECT_THAT(found->change_log, IsEmpty());
}

TEST_F(RecoverTest, FindsAllThatWasCommitted) {
  CommitSample();
  const auto found = Recover();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->head, (Head{1, 1}));
  EXPECT_EQ(found->meta.next_job, 13u);
  ASSERT_THAT(found->jobs, SizeIs(1));
  const RecoveredJob& job = found->jobs[0];
  EXPECT_EQ(job.job.id, JobId{12});
  EXPECT_EQ(job.job.spec->name, "train");
  EXPECT_EQ(job.job.spec->blob, SampleSpec().blob);
  ASSERT_THAT(job.tasks, SizeIs(1));
  EXPECT_EQ(job.tasks[0].spec, job.job.spec);
  EXPECT_EQ(job.tasks[0].row.attempt, SampleTask().row.attempt);
  EXPECT_EQ(*job.tasks[0].row.decision->sheet, SampleSheet());
  ASSERT_THAT(job.hints, SizeIs(2));
  EXPECT_TRUE(job.hints[0].empty());
  EXPECT_EQ(job.hints[1], SampleHints().hints);
  ASSERT_THAT(found->nodes, SizeIs(1));
  EXPECT_EQ(found->nodes[0].spec->name, "n7");
  EXPECT_EQ(found->nodes[0].spec->agent_version, "0.1.0");
  EXPECT_EQ(found->nodes[0].spec->isolation, "cgroup-v1");
  EXPECT_EQ(*found->nodes[0].spec->encoded_inventory, *SampleNode().spec->encoded_inventory);
  EXPECT_TRUE(found->nodes[0].cordoned);
  EXPECT_FALSE(found->nodes[0].ready);
  ASSERT_THAT(found->links, SizeIs(1));
  EXPECT_EQ(found->links[0].next_sequence, 44u);
  ASSERT_THAT(found->requests, SizeIs(1));
  EXPECT_EQ(found->requests[0].job, JobId{12});
  ASSERT_THAT(found->batches, SizeIs(1));
  EXPECT_EQ(found->batches[0].next_offset, 4'000);
  ASSERT_THAT(found->change_log, SizeIs(1));
  EXPECT_THAT(found->change_log[0].jobs, ElementsAre(JobId{12}));
}

TEST_F(RecoverTest, JobsOfEqualContentShareTheirSpecification) {
  CommitSample();
  Commit({state::JobChange{.job = SampleJob(13)}});
  const auto found = Recover();
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(found->jobs, SizeIs(2));
  EXPECT_EQ(found->jobs[0].job.spec, found->jobs[1].job.spec);
}

TEST_F(RecoverTest, TasksAreWithTheirJobsInOrder) {
  CommitSample();
  Commit({state::JobChange{.job = SampleJob(2)}, state::JobChange{.job = SampleJob(13)}});
  std::vector<state::Change> tasks;
  for (const TaskKey& key : std::vector<TaskKey>{
           {JobId{13}, 1, 0}, {JobId{2}, 1, 2}, {JobId{2}, 0, 0}, {JobId{2}, 1, 1}}) {
    state::TaskStatusView task;
    task.job = key.job;
    task.group = key.group;
    task.position = key.position;
    tasks.push_back(state::TaskChange{task});
  }
  Commit(std::move(tasks));
  const auto found = Recover();
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(found->jobs, SizeIs(3));
  std::vector<std::pair<uint32_t, uint32_t>> places;
  for (const state::TaskStatusView& task : found->jobs[0].tasks) {
    places.emplace_back(task.group, task.position);
  }
  EXPECT_THAT(places, ElementsAre(std::pair(0u, 0u), std::pair(1u, 1u), std::pair(1u, 2u)));
  EXPECT_THAT(found->jobs[1].tasks, SizeIs(1));
  EXPECT_THAT(found->jobs[2].tasks, SizeIs(1));
}

TEST_F(RecoverTest, ARemovedJobLeavesNothing) {
  CommitSample();
  Commit({state::JobRemoval{.job = JobId{12}, .spec = SampleJob().spec, .ns = "vision"},
          state::BlobRemoval{SampleSpec().blob.Hex()}});
  const auto found = Recover();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->jobs, IsEmpty());
  EXPECT_THAT(found->change_log.back().removed_jobs, SizeIs(1));
  int features = 0;
  ASSERT_TRUE(store_
                  .Scan(Table::kFeatures,
                        [&](std::string_view, std::string_view) {
                          ++features;
                          return true;
                        })
                  .ok());
  EXPECT_EQ(features, 0);
}

TEST_F(RecoverTest, TheLogIsKeptToItsBound) {
  BatchEncoder encoder({.watch_history_epochs = 3});
  for (uint64_t epoch = 1; epoch <= 10; ++epoch) {
    std::vector<state::Change> changes;
    if (epoch == 1) changes = SampleChangeBatch("c1").changes;
    ASSERT_TRUE(
        store_.Commit(encoder.Encode({.epoch = epoch, .term = 1, .changes = changes}), epoch, 1)
            .ok());
  }
  const auto found = Recover();
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(found->change_log, SizeIs(3));
  EXPECT_EQ(found->change_log[0].epoch, 8u);
}

// ---- refusals ----

// One flipped bit in the value of a record.
TEST_F(RecoverTest, AFlippedBitInAnyTableIsFoundAndNamed) {
  const auto flip = [](std::string value) {
    value[value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 0x10);
    return value;
  };
  const std::vector<std::pair<Table, std::string>> names = {
      {Table::kMeta, "the cluster's own record"},
      {Table::kJobs, "job 12"},
      {Table::kTasks, "a task of job 12 (group 1, position 2)"},
      {Table::kNodes, "slot 4"},
      {Table::kNodeLinks, "slot 4"},
      {Table::kRequests, "request \"b1946ac9\" of uid:1000"},
      {Table::kBatches, "batch \"night\" of uid:1000"},
      {Table::kSheets, "sheet "},
      {Table::kFeatures, "features of job 12 (group 1, part 0)"},
      {Table::kBlobs, "blob " + SampleSpec().blob.Hex()},
      {Table::kChangeLog, "epoch 1"}};
  CommitSample();
  for (const auto& [table, name] : names) {
    std::string key;
    std::string value;
    ASSERT_TRUE(store_
                    .Scan(table,
                          [&](std::string_view k, std::string_view v) {
                            key = k;
                            value = v;
                            return false;
                          })
                    .ok());
    disk_->Corrupt(table, key, flip(value));
    EXPECT_THAT(Complaint(), AllOf(HasSubstr("data directory \"memory\""),
                                   HasSubstr("table " + std::string(ToString(table)) + ", " + name),
                                   HasSubstr("put a backup of the whole directory in its place")));
    disk_->Corrupt(table, key, value);
    EXPECT_TRUE(Recover().ok()) << ToString(table);
  }
}

TEST_F(RecoverTest, ATaskIsNamedAsPeopleKnowIt) {
  CommitSample();
  state::TaskStatusView task = SampleTask();
  task.row.slot_generation = 8;
  Commit({state::TaskChange{task}});
  EXPECT_THAT(Complaint(), HasSubstr("task 12.worker.18: it is placed on slot 4, generation 8"));
}

TEST_F(RecoverTest, ATaskWithoutItsJobIsRefused) {
  CommitSample();
  state::TaskStatusView task;
  task.job = JobId{5};
  Commit({state::TaskChange{task}});
  EXPECT_THAT(Complaint(), HasSubstr("a task of job 5 (group 0, position 0): its job is gone"));
}

TEST_F(RecoverTest, ATaskBeyondItsJobIsRefused) {
  CommitSample();
  state::TaskStatusView task;
  task.job = JobId{12};
  task.group = 1;
  task.position = 3;
  Commit({state::TaskChange{task}});
  EXPECT_THAT(Complaint(), HasSubstr("its job's specification has no such task"));
}

TEST_F(RecoverTest, AJobWithoutItsSpecificationIsRefused) {
  CommitSample();
  Commit({state::BlobRemoval{SampleSpec().blob.Hex()}});
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("table jobs, job 12: its specification, blob "),
                                 HasSubstr("is gone")));
}

TEST_F(RecoverTest, ASpecificationThatCannotBeReadIsRefused) {
  CommitSample();
  const std::string blob = "of no use";
  state::JobView job = SampleJob(13);
  state::JobSpec spec = SampleSpec();
  spec.blob = base::Sha256Of(blob);
  job.spec = std::make_shared<const state::JobSpec>(spec);
  Commit({state::JobChange{.job = job},
          state::BlobChange{spec.blob.Hex(), std::make_shared<const std::string>(blob)}});
  EXPECT_THAT(Complaint(), HasSubstr("the specification of job 13 cannot be read: not the sample"));
}

TEST_F(RecoverTest, AJobThatDisagreesWithItsSpecificationIsRefused) {
  CommitSample();
  state::JobView job = SampleJob();
  job.rest.pop_back();
  Commit({state::JobChange{.job = job}});
  EXPECT_THAT(Complaint(), HasSubstr("job 12: it speaks of 1 groups, its specification has 2"));
}

TEST_F(RecoverTest, AnInventoryThatCannotBeReadIsRefused) {
  state::NodeView node = SampleNode();
  state::NodeSpec spec = *node.spec;
  spec.encoded_inventory = std::make_shared<const std::string>("?");
  node.spec = std::make_shared<const state::NodeSpec>(spec);
  CommitSample();
  Commit({state::NodeChange{.node = node}});
  EXPECT_THAT(Complaint(), HasSubstr("the inventory of node \"n7\" cannot be read"));
}

TEST_F(RecoverTest, TwoNodesOfOneNameAreRefused) {
  CommitSample();
  state::NodeView node = SampleNode();
  node.slot = 5;
  Commit({state::NodeChange{.node = node}});
  EXPECT_THAT(Complaint(), HasSubstr("slot 5: slot 4 holds a node of the same name, \"n7\""));
}

TEST_F(RecoverTest, AConversationWithoutItsNodeIsRefused) {
  CommitSample();
  state::NodeLinkView link = SampleLink();
  link.slot = 6;
  Commit({state::NodeLinkChange{link}});
  EXPECT_THAT(Complaint(), HasSubstr("table node links, slot 6: the slot holds no node"));
}

TEST_F(RecoverTest, AGapInTheLogIsRefused) {
  CommitSample();
  Commit({});
  Commit({});
  WriteBatch hole;
  hole.Delete(Table::kChangeLog, EpochKey(2));
  hole.Put(Table::kChangeLog, EpochKey(4), Encode(ChangeLogEntry{.epoch = 4}).value);
  Write(hole);
  EXPECT_THAT(Complaint(), HasSubstr("table change log, epoch 2: it is gone"));
}

TEST_F(RecoverTest, ALogThatEndsEarlyIsRefused) {
  CommitSample();
  Write({});
  EXPECT_THAT(Complaint(), HasSubstr("epoch 2: the log ends at epoch 1"));
}

TEST_F(RecoverTest, AMissingClusterRecordIsRefused) {
  CommitSample();
  WriteBatch writes;
  writes.Delete(Table::kMeta, std::string(kMetaKey));
  writes.Put(Table::kChangeLog, EpochKey(2), Encode(ChangeLogEntry{.epoch = 2}).value);
  Write(writes);
  EXPECT_THAT(Complaint(), HasSubstr("the cluster's own record: it is gone"));
}

TEST_F(RecoverTest, AnotherClustersDatabaseIsRefused) {
  Commit(SampleChangeBatch("c2").changes);
  EXPECT_THAT(Complaint(), HasSubstr("the database is of cluster c2, its directory of cluster c1"));
}

TEST_F(RecoverTest, AClusterRecordOfTheFutureIsRefused) {
  CommitSample();
  state::ClusterMeta meta = SampleMeta();
  meta.cluster_id = "c1";
  meta.epoch = 9;
  meta.term = 1;
  Commit({state::MetaChange{meta}});
  EXPECT_THAT(Complaint(), HasSubstr("it is of epoch 9, term 1, and the last commit of epoch 2"));
}

}  // namespace
}  // namespace berth::store
