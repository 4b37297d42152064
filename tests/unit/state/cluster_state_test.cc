#include "state/cluster_state.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace berth::state {
namespace {

class ClusterStateTest : public ::testing::Test {
 protected:
  ClusterStateTest() : state_(ClusterMeta{.cluster_id = "c", .epoch = 10, .seed = 1}, 3) {}

  JobRow& AddArray(uint32_t tasks, const std::string& blob = "b1") {
    auto spec = std::make_shared<JobSpec>();
    spec->ns = "default";
    spec->name = "j";
    spec->blob = base::Sha256Of(blob);
    spec->groups.resize(1);
    spec->groups[0].ranges = {{0, tasks - 1, 1}};
    spec->groups[0].needs.Edit().requests.builtin[kCpu] = 100;
    const ShapeId shape =
        *state_.requirements().Acquire(*spec->groups[0].needs, 0, state_.nodes(), false);
    return state_.AddJob(spec, std::make_shared<const std::string>("content"), {shape}, "uid:1", {},
                         1000, 2000);
  }

  Slot AddNode(const std::string& name) {
    NodeSpec spec;
    spec.name = name;
    spec.capacity.builtin = {4000, 4096, 0, 0};
    return *state_.PutNode(spec, 5);
  }

  template <typename T>
  static int Count(const ChangeBatch& batch) {
    int n = 0;
    for (const Change& change : batch.changes) n += std::holds_alternative<T>(change) ? 1 : 0;
    return n;
  }

  int64_t JobCount(const JobRow& job, TaskState state) {
    return job.counts[static_cast<size_t>(state)];
  }

  ClusterState state_;
};

TEST_F(ClusterStateTest, MakesNoBatchWhenNothingChanged) {
  EXPECT_EQ(state_.TakeChanges(1), nullptr);
  EXPECT_EQ(state_.meta().epoch, 10u);
}

TEST_F(ClusterStateTest, NumbersJobsFromOneAndGivesEachChangeTheBatchsEpoch) {
  JobRow& job = AddArray(5);
  EXPECT_EQ(job.id.value, 1u);
  const auto batch = state_.TakeChanges(77);
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->epoch, 11u);
  EXPECT_EQ(state_.meta().epoch, 11u);
  EXPECT_EQ(state_.meta().now_ms, 77);
  EXPECT_EQ(job.epoch, 11u);
  EXPECT_EQ(Count<JobChange>(*batch), 1);
  EXPECT_EQ(Count<BlobChange>(*batch), 1);
  EXPECT_EQ(Count<TaskChange>(*batch), 0);  // an array is implicit
  EXPECT_EQ(AddArray(1).id.value, 2u);
}

TEST_F(ClusterStateTest, KeepsABlobUntilItsLastJobIsRemoved) {
  const JobId first = AddArray(1, "same").id;
  const JobId second = AddArray(1, "same").id;
  EXPECT_EQ(Count<BlobChange>(*state_.TakeChanges(1)), 1);
  for (const JobId id : {first, second}) {
    state_.MoveRest(*state_.FindJob(id), 0, TaskState::kCancelled);
    state_.FindJob(id)->ended_at_ms = 5;
  }
  state_.RemoveJob(first);
  EXPECT_EQ(Count<BlobRemoval>(*state_.TakeChanges(2)), 0);
  state_.RemoveJob(second);
  const auto batch = state_.TakeChanges(3);
  EXPECT_EQ(Count<BlobRemoval>(*batch), 1);
  EXPECT_EQ(Count<JobRemoval>(*batch), 1);
}

TEST_F(ClusterStateTest, JobsWithEqualNeedsHaveThemInCommon) {
  const SharedNeeds first = AddArray(1, "a").spec->groups[0].needs;
  EXPECT_TRUE(AddArray(5, "b").spec->groups[0].needs.Is(first));
}

TEST_F(ClusterStateTest, CountsFollowEveryMove) {
  JobRow& job = AddArray(10);
  const TaskKey key{job.id, 0, 2};
  state_.Materialise(job, 0, 2);
  state_.Materialise(job, 0, 3);
  EXPECT_EQ(JobCount(job, TaskState::kQueued), 10);
  state_.Move(job, key, TaskState::kCancelled);
  EXPECT_EQ(JobCount(job, TaskState::kQueued), 9);
  EXPECT_EQ(JobCount(job, TaskState::kCancelled), 1);
  state_.MoveRest(job, 0, TaskState::kCancelled);
  EXPECT_EQ(JobCount(job, TaskState::kQueued), 1);
  EXPECT_EQ(JobCount(job, TaskState::kCancelled), 9);
  EXPECT_EQ(state_.task_counts()[static_cast<size_t>(TaskState::kCancelled)], 9);
}

TEST_F(ClusterStateTest, ARowFarOutLeavesThoseBeforeItImplicit) {
  JobRow& job = AddArray(1'000'000);
  GroupRow& group = job.groups[0];
  state_.TakeChanges(1);
  state_.Materialise(job, 0, 999'999);
  state_.Move(job, {job.id, 0, 999'999}, TaskState::kCancelled);
  EXPECT_EQ(Count<TaskChange>(*state_.TakeChanges(2)), 1);
  EXPECT_EQ(group.rest_count(), 999'999);
  EXPECT_EQ(group.NextPending(), 0u);
  state_.Materialise(job, 0, 1);
  EXPECT_EQ(group.RestBefore(0), 0);
  EXPECT_EQ(group.RestBefore(3), 2);  // 0 and 2
  // Those with rows of their own go first, then the lowest of the others.
  EXPECT_EQ(group.NextPending(), 1u);
  for (const uint32_t position : {1u, 0u}) {
    state_.Materialise(job, 0, position);
    state_.Move(job, {job.id, 0, position}, TaskState::kCancelled);
  }
  EXPECT_EQ(group.NextPending(), 2u);
}

TEST_F(ClusterStateTest, HoldAndLetGoMoveTheNodesColumns) {
  const Slot slot = AddNode("n1");
  JobRow& job = AddArray(1);
  const TaskKey key{job.id, 0, 0};
  state_.Materialise(job, 0, 0);
  state_.Row(key).slot = slot;
  state_.Move(job, key, TaskState::kBound);
  state_.Hold(job, key);
  EXPECT_EQ(state_.nodes().allocated(kCpu)[slot], 100);
  EXPECT_TRUE(state_.TasksOn(slot).contains(key));
  state_.LetGo(job, key);
  EXPECT_EQ(state_.nodes().allocated(kCpu)[slot], 0);
  EXPECT_TRUE(state_.TasksOn(slot).empty());
}

TEST_F(ClusterStateTest, ShowsQueuedTasksOfAParkedShapeAsParked) {
  JobRow& job = AddArray(3);
  state_.SetParked(job.groups[0].shape, true);
  EXPECT_EQ(state_.ViewTask(job, {job.id, 0, 1}).row.state, TaskState::kParked);
  const JobView view = state_.ViewJob(job);
  EXPECT_EQ(view.counts[static_cast<size_t>(TaskState::kParked)], 3);
  EXPECT_EQ(view.counts[static_cast<size_t>(TaskState::kQueued)], 0);
}

TEST_F(ClusterStateTest, TellsALateWatcherWhatChangedSince) {
  const JobId first = AddArray(1).id;
  state_.TakeChanges(1);  // epoch 11
  const JobId second = AddArray(1).id;
  state_.TakeChanges(2);  // epoch 12
  const auto since_10 = state_.ChangedSince(10);
  ASSERT_TRUE(since_10.has_value());
  EXPECT_EQ(since_10->jobs, (std::vector<JobId>{first, second}));
  EXPECT_EQ(state_.ChangedSince(11)->jobs, std::vector<JobId>{second});
  EXPECT_TRUE(state_.ChangedSince(12)->jobs.empty());
  // What the running turn has done counts too.
  state_.TouchJob(first, true);
  EXPECT_EQ(state_.ChangedSince(12)->jobs, std::vector<JobId>{first});
}

TEST_F(ClusterStateTest, KeepsOnlySoManyEpochs) {
  for (int i = 0; i < 5; ++i) {
    AddArray(1);
    state_.TakeChanges(i);
  }
  EXPECT_EQ(state_.meta().epoch, 15u);
  EXPECT_EQ(state_.ChangedSince(11), std::nullopt);
  EXPECT_TRUE(state_.ChangedSince(12).has_value());
  EXPECT_EQ(state_.ChangedSince(16), std::nullopt);  // from a future that a restore has undone
}

TEST_F(ClusterStateTest, RemembersARemovedJobAsATombstone) {
  JobRow& job = AddArray(1);
  const JobId id = job.id;
  state_.TakeChanges(1);
  state_.MoveRest(job, 0, TaskState::kCancelled);
  job.ended_at_ms = 5;
  state_.RemoveJob(id);
  state_.TakeChanges(2);
  const auto since = state_.ChangedSince(11);
  ASSERT_EQ(since->removed_jobs.size(), 1u);
  EXPECT_EQ(since->removed_jobs[0].first, id);
}

TEST_F(ClusterStateTest, ForgetsOldRequestsOnly) {
  state_.PutRequest({.principal = "p", .request_id = "old", .body_hash = "h", .answered_ms = 100});
  state_.PutRequest({.principal = "p", .request_id = "new", .body_hash = "h", .answered_ms = 900});
  state_.ExpireRequests(500, 10);
  EXPECT_EQ(state_.FindRequest("p", "old"), nullptr);
  ASSERT_NE(state_.FindRequest("p", "new"), nullptr);
  EXPECT_EQ(state_.FindRequest("q", "new"), nullptr);
}

TEST_F(ClusterStateTest, RestoresWhatItsViewsSaid) {
  const Slot slot = AddNode("n1");
  JobRow& job = AddArray(10);
  const TaskKey running{job.id, 0, 1};
  state_.Materialise(job, 0, 1);
  state_.Row(running).slot = slot;
  state_.Row(running).slot_generation = state_.nodes().generation(slot);
  state_.Row(running).attempt.number = 1;
  state_.Move(job, running, TaskState::kBound);
  state_.Hold(job, running);
  state_.TakeChanges(1);

  ClusterState again(state_.meta(), 3);
  ASSERT_TRUE(again.RestoreNode(state_.ViewNode(slot)).ok());
  const ShapeId shape =
      *again.requirements().Acquire(*job.spec->groups[0].needs, 0, again.nodes(), true);
  again.RestoreJob(state_.ViewJob(job), {shape});
  ASSERT_TRUE(again.RestoreTask(state_.ViewTask(job, running)).ok());
  ASSERT_TRUE(again.FinishRestore().ok());

  const JobRow& restored = *again.FindJob(job.id);
  EXPECT_EQ(restored.counts, job.counts);
  EXPECT_EQ(restored.groups[0].queued, job.groups[0].queued);
  EXPECT_EQ(restored.groups[0].NextPending(), 0u);
  EXPECT_EQ(restored.groups[0].RestBefore(5), 4);
  EXPECT_EQ(again.nodes().allocated(kCpu)[slot], 100);
  EXPECT_TRUE(again.TasksOn(slot).contains(running));
}

// The record's position is of an inventory that is not the node's any more.
TEST_F(ClusterStateTest, RestoresATasksDevicesByTheirIds) {
  NodeSpec node;
  node.name = "n1";
  node.capacity.builtin = {4000, 4096, 0, 0};
  for (const char* id : {"g0", "g1"}) node.devices.push_back({.id = id, .kind = "gpu"});
  const Slot slot = *state_.PutNode(node, 5);
  JobRow& job = AddArray(2);
  const std::vector<std::string> ids = {"g0", "g2"};  // one moves, one is not reported any more
  for (uint32_t i = 0; i < ids.size(); ++i) {
    TaskStatusView view = state_.ViewTask(job, {job.id, 0, i});
    view.row.state = TaskState::kRunning;
    view.row.slot = slot;
    view.row.slot_generation = 1;
    view.row.reservation.devices = {{.device = 1, .share_milli = 1000}};
    view.row.attempt.device_ids = {ids[i]};
    ASSERT_TRUE(state_.RestoreTask(view).ok());
  }
  EXPECT_EQ(state_.nodes().devices(slot)[0].allocated_milli, 1000);
  EXPECT_EQ(state_.nodes().devices(slot)[1].allocated_milli, 0);
  for (uint32_t i = 0; i < ids.size(); ++i) {
    const Reservation held = state_.Row({job.id, 0, i}).reservation;
    EXPECT_EQ(state_.nodes().DeviceIds(slot, held), std::vector<std::string>{ids[i]});
    state_.LetGo(job, {job.id, 0, i});
  }
  EXPECT_EQ(state_.nodes().devices(slot)[0].allocated_milli, 0);
}

TEST_F(ClusterStateTest, RefusesATaskThatDoesNotNameItsDevices) {
  const Slot slot = AddNode("n1");
  TaskStatusView view = state_.ViewTask(AddArray(1), {JobId{1}, 0, 0});
  view.row.state = TaskState::kRunning;
  view.row.slot = slot;
  view.row.slot_generation = 1;
  view.row.reservation.devices = {{.device = 0, .share_milli = 1000}};
  EXPECT_EQ(state_.RestoreTask(view).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ClusterStateTest, RefusesATaskOnANodeThatIsNotThere) {
  JobRow& job = AddArray(1);
  TaskStatusView view = state_.ViewTask(job, {job.id, 0, 0});
  view.row.state = TaskState::kRunning;
  view.row.slot = 9;
  const auto status = state_.RestoreTask(view);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace berth::state
