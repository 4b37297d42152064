// All state of the cluster, and the note of what a turn changed in it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "base/sha256.h"
#include "berth/ids.h"
#include "state/changes.h"
#include "state/effects.h"
#include "state/job_table.h"
#include "state/needs_pool.h"
#include "state/node_table.h"
#include "state/node_usage.h"
#include "state/requirements_table.h"
#include "state/stray.h"
#include "state/term_table.h"

namespace berth::state {

// The conversation with the agent of one node.
struct NodeLink {
  std::string incarnation;
  uint64_t next_sequence = 1;
  uint64_t fact_sequence = 0;
  // This process's part of it; 0: not connected.
  uint64_t stream = 0;
  uint64_t session = 0;
  uint64_t last_stream = 0;  // also when it is not connected any more
  Usage usage;
  NodeUsage parts;
  std::optional<int64_t> clock_skew_ms;  // as of the last heartbeat
  int64_t registered_unix_ms = 0;
  uint64_t epoch = 0;         // of the node's last change
  std::string cordon_reason;  // empty: not cordoned, or by an operator
  std::vector<Peer> peers;    // that its session was told to measure; this process's
};

// Ids that one epoch changed: what a watch that comes late is told from.
struct ChangeLogEntry {
  uint64_t epoch = 0;
  std::vector<JobId> jobs;
  std::vector<TaskKey> tasks;
  std::vector<Slot> nodes;
  std::vector<std::pair<JobId, std::string>> removed_jobs;  // with their namespaces
  std::vector<std::string> removed_nodes;
};

// Owned by the loop. Mutators keep the tables consistent with one another (a task that holds
// resources is allocated on its node and listed there; counts sum up) and note what they touched;
// TakeChanges turns the notes into one batch of views.
//
// Threading: the loop's thread only. Nothing in here reads a clock or iterates a hash container.
class ClusterState {
 public:
  ClusterState(const ClusterMeta& meta, size_t watch_history_epochs);
  // Its parts know one another by their place.
  ClusterState(const ClusterState&) = delete;
  ClusterState& operator=(const ClusterState&) = delete;

  const ClusterMeta& meta() const { return meta_; }
  // Epoch that the running turn's changes will have.
  uint64_t next_epoch() const { return meta_.epoch + 1; }
  NodeTable& nodes() { return nodes_; }
  const NodeTable& nodes() const { return nodes_; }
  const JobTable& jobs() const { return jobs_; }
  RequirementsTable& requirements() { return requirements_; }
  const RequirementsTable& requirements() const { return requirements_; }

  // ---- jobs and tasks ----

  // Null when there is none.
  JobRow* FindJob(JobId id);
  const JobRow* FindJob(JobId id) const;

  // Whether this generation has ids left for further jobs (generation.h).
  bool HasJobIds() const;

  // Adds a job with every task queued. REQUIRES: HasJobIds(). `shapes` has one for each group; the
  // job takes over their users. Returns it with its id. `blob` is its content, kept while any job
  // has that address.
  JobRow& AddJob(std::shared_ptr<const JobSpec> spec, std::shared_ptr<const std::string> blob,
                 std::vector<ShapeId> shapes, const std::string& submitted_by, const RunAs& run_as,
                 int64_t now_ms, int64_t wall_ms);
  // Forgets an ended job and all of it.
  void RemoveJob(JobId id);

  // Tasks of every job that is kept, by state.
  const TaskCounts& task_counts() const { return task_counts_; }

  // Gives a task a row of its own, unless it has one. Cost: O(log rows), whatever the position.
  void Materialise(JobRow& job, uint32_t group, uint32_t position);
  // Row of a task. REQUIRES: it has one.
  TaskRow& Row(const TaskKey& key);
  const TaskRow* FindRow(const TaskKey& key) const;

  // Moves a task along the lifecycle. REQUIRES: MayMove(its state, to).
  void Move(JobRow& job, const TaskKey& key, TaskState to);
  // Moves all implicit tasks of a group. REQUIRES: rest is kQueued or kHeld.
  void MoveRest(JobRow& job, uint32_t group, TaskState to);
  // Takes or gives back what a task holds on its node (row.slot, row.reservation).
  void Hold(const JobRow& job, const TaskKey& key);
  void LetGo(const JobRow& job, const TaskKey& key);
  // What a task's next attempts get instead of its group's memory. False: there is no way to count
  // that, and nothing changes. REQUIRES: it holds nothing and is not queued.
  bool SetMemory(JobRow& job, const TaskKey& key, int32_t mib);
  // ---- rules between tasks (cluster_terms.cc) ----

  // A job's groups take part in them until it leaves. REQUIRES, for the other: it has ended.
  void JoinTerms(const JobRow& job) { terms_.Join(job.id, *job.spec); }
  void LeaveTerms(const JobRow& job) { terms_.Leave(job.id, *job.spec); }
  // Takes the groups for which Reshape has to be called: others' rules concern them as well.
  std::set<GroupKey> TakeStaleGroups() { return terms_.TakeStale(); }
  // Gives a group the requirements that it has by the rules as they are, and counts its tasks that
  // hold resources accordingly. Its shapes are others then: whoever knows it by them forgets it
  // before. Returns how many rows were looked at.
  int64_t Reshape(JobRow& job, uint32_t group);
  // REQUIRES: no group is stale.
  void DropUnusedTerms() { terms_.DropUnused(); }
  // What the rules mean for each group of a job that is not there, as if it took part; tasks that
  // run are counted in its rules until EndVisit. Others do not see it, so that none of them may be
  // placed in between. REQUIRES: no group is stale, and there is no other visit. Cost: O(rows of
  // the groups that its rules are about, if nobody else has them).
  std::vector<TaskRules> BeginVisit(const JobSpec& spec);
  void EndVisit(const JobSpec& spec);

  // ---- features ----

  // Takes over what is thought of a group's tasks: its shapes are others then, as with Reshape.
  // Returns how many rows were looked at.
  int64_t SetHints(JobRow& job, uint32_t group, const GroupHints& hints);
  // Keeps what is known of a group besides. REQUIRES: part is not kHints; record is not null.
  void PutFeatures(JobId job, uint32_t group, FeaturePart part,
                   std::shared_ptr<const std::string> record) {
    journal_.push_back(FeaturesChange{job, group, part, std::move(record)});
  }
  void PutFeatureState(std::string name, std::shared_ptr<const std::string> content) {
    journal_.push_back(FeatureStateChange{std::move(name), std::move(content)});
  }

  // Notes that a task's row, or a job's own fields, were changed in place.
  void TouchTask(const TaskKey& key);
  void TouchJob(JobId id, bool durable);

  // Tasks that hold resources on a node, in order of key.
  const std::set<TaskKey>& TasksOn(Slot slot) const;

  // Attempts on a node that are no task's current one.
  const std::map<AgentAttempt, Stray>& StraysOn(Slot slot) const;
  // Holds the room of what an agent has reported, and holds its task back, if that is known.
  // REQUIRES: it is not held yet.
  void PutStray(Slot slot, const AttemptReport& report, int64_t wall_ms, bool is_leaving);
  // Notes when a stray has started; nothing, if there is none of that name.
  void StartStray(Slot slot, const AgentAttempt& attempt, const AttemptStart& start);
  // Gives back a stray's room and lets its task go; nothing, if there is none of that name. Returns
  // the task that it held back.
  std::optional<TaskKey> DropStray(Slot slot, const AgentAttempt& attempt);
  // Its node is not heard from any more, or is again: the task is let go, or held back. Returns it.
  // REQUIRES: it is there.
  std::optional<TaskKey> SetHoldsBack(Slot slot, const AgentAttempt& attempt, bool holds_back);
  // Whether a task waits until another attempt of it has ended.
  bool IsHeldBack(const TaskKey& key) const;
  bool holds_any_back() const { return !held_back_.empty(); }
  // Brings `queued` of the task's group in line with what keeps the task waiting.
  void SyncQueued(const TaskKey& key);
  // A stray in quarantine is told to stop. REQUIRES: it is there.
  void LeaveStray(Slot slot, const AgentAttempt& attempt);

  // The task that an attempt is of, whether it has a row or not; nullopt: not of this state.
  std::optional<TaskKey> TaskOf(const AgentAttempt& attempt) const;

  // Attempts in quarantine, on all nodes or on one. Cost: O(strays).
  size_t quarantined() const;
  size_t quarantined(Slot slot) const;

  // Whether this id was given to a job since the last restore.
  bool WasIssued(JobId id) const;

  // A shape is parked while no node fits it: its queued tasks are shown as parked.
  void SetParked(ShapeId shape, bool parked) {
    parked ? void(parked_.insert(shape)) : void(parked_.erase(shape));
  }
  bool IsParked(ShapeId shape) const { return parked_.contains(shape); }
  size_t parked_shapes() const { return parked_.size(); }

  TaskStatusView ViewTask(const JobRow& job, const TaskKey& key) const;
  JobView ViewJob(const JobRow& job) const;

  // ---- nodes ----

  NodeLink& Link(Slot slot) { return links_[slot]; }
  const NodeLink* FindLink(Slot slot) const;
  absl::StatusOr<Slot> PutNode(const NodeSpec& spec, int64_t wall_ms);
  void SetReady(Slot slot, bool ready);
  void SetCordoned(Slot slot, bool cordoned);
  void TouchLink(Slot slot) { touched_links_.insert(slot); }
  NodeView ViewNode(Slot slot) const;

  // ---- repeats and batches ----

  const RequestView* FindRequest(const std::string& principal, const std::string& id) const;
  void PutRequest(RequestView request);
  // Forgets requests and batches not touched since `before_ms` (loop time), at most `most`.
  void ExpireRequests(int64_t before_ms, size_t most);
  int64_t BatchOffset(const std::string& principal, const std::string& batch_id) const;
  void PutBatch(BatchView batch);

  // ---- journals ----

  void Audit(AuditView audit) { journal_.push_back(AuditChange{std::move(audit)}); }
  void AddHistory(HistoryView history) { journal_.push_back(HistoryChange{std::move(history)}); }

  // ---- epochs ----

  // Everything touched since the last call, as one batch of the next epoch, which becomes
  // meta().epoch; null when nothing was. `now_ms` is persisted with it.
  std::shared_ptr<const ChangeBatch> TakeChanges(int64_t now_ms);

  // Ids changed after `epoch`, those of the running turn included; nullopt when the log does not
  // reach back that far.
  std::optional<ChangeLogEntry> ChangedSince(uint64_t epoch) const;

  // ---- recovery: each puts back what the store held, notes nothing ----

  absl::Status RestoreNode(const NodeView& node);
  void RestoreLink(const NodeLinkView& link);
  // `shapes` as in AddJob, with the traits of `hints`, which are empty or one for each group.
  JobRow& RestoreJob(const JobView& job, std::vector<ShapeId> shapes,
                     const std::vector<GroupHints>& hints = {});
  // In any order; positions that do not come stay implicit.
  absl::Status RestoreTask(const TaskStatusView& task);
  void RestoreRequest(RequestView request);
  void RestoreBatch(BatchView batch);
  void RestoreChangeLog(std::deque<ChangeLogEntry> log);
  // Derives counts and queues. DATA_LOSS names what does not agree.
  absl::Status FinishRestore();
  // A new leader term, made durable by the next batch.
  void BeginTerm();

  // What nodes run of a restored state's tasks is known; made durable with the next batch.
  void EndSettling() { meta_.settling = false; }

 private:
  // Counts the tasks of groups that a visitor's rules are about as its presence asks, or as before.
  void CountForVisit(bool present);
  // The same specification with needs that others have too.
  std::shared_ptr<const JobSpec> ShareNeeds(std::shared_ptr<const JobSpec> spec);
  // Gives a group, and its rows with shapes of their own, what `acquire` makes of each shape.
  int64_t MoveShapes(JobRow& job, uint32_t group,
                     const std::function<ShapeId(ShapeId shape)>& acquire);
  bool TakeOwnShape(JobRow& job, uint32_t group, TaskRow& row, int32_t mib);
  using RequestKey = std::pair<std::string, std::string>;

  // Brings a reservation's positions in line with the node's devices; true when one has changed.
  // REQUIRES: the attempt names each device that it holds.
  bool FindDevices(TaskRow& row);
  // The devices of a stray, as the node has them now.
  void FindDevices(Slot slot, Stray& stray);

  ClusterMeta meta_;
  const size_t watch_history_epochs_;
  NodeTable nodes_;
  JobTable jobs_;
  TaskCounts task_counts_{};
  RequirementsTable requirements_;
  TermTable terms_{nodes_, jobs_};
  std::set<GroupKey> visited_;  // groups that the rules of a visitor concern
  std::set<ShapeId> parked_;
  std::map<Slot, NodeLink> links_;
  std::vector<std::set<TaskKey>> tasks_on_;  // by slot
  std::map<Slot, std::map<AgentAttempt, Stray>> strays_;
  std::map<TaskKey, std::set<std::pair<Slot, AgentAttempt>>> held_back_;  // by which strays
  std::map<RequestKey, RequestView> requests_;
  std::map<RequestKey, BatchView> batches_;
  std::set<std::pair<int64_t, RequestKey>> request_ages_;  // (answered_ms, key)
  std::set<std::pair<int64_t, RequestKey>> batch_ages_;    // (touched_ms, key)
  absl::btree_map<base::Sha256Digest, int64_t> blob_users_;
  NeedsPool needs_;  // of the groups of every job that is kept
  std::deque<ChangeLogEntry> change_log_;

  // Touched in the running turn.
  bool term_began_ = false;
  std::map<JobId, bool> touched_jobs_;  // durable
  std::vector<TaskKey> touched_tasks_;
  std::map<Slot, bool> touched_nodes_;  // durable
  std::set<Slot> touched_links_;
  std::vector<std::pair<JobId, std::shared_ptr<const JobSpec>>> removed_jobs_;
  std::vector<Change> journal_;  // audit, history, blobs, requests, batches: in order
};

}  // namespace berth::state
