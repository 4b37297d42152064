// One pass of the scheduling loop, as a function: (state, commands, now, work budget) → (changes,
// effects).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/plugin_registry.h"
#include "engine/engine.h"
#include "engine/parked_shapes.h"
#include "pipeline/profile.h"
#include "queue/scheduling_queue.h"
#include "scheduler/leases.h"
#include "scheduler/outside_scoring.h"
#include "scheduler/reconciled.h"
#include "scheduler/reply.h"
#include "scheduler/start_failures.h"
#include "state/cluster_state.h"
#include "state/commands.h"
#include "state/effects.h"
#include "state/task_mix.h"
#include "state/usage_meters.h"

namespace berth::scheduler {

struct TurnOptions {
  int64_t heartbeat_interval_ms = 10'000;
  // Silence after which a node takes nothing new, and after which its tasks are given up.
  int64_t lease_ms = 40'000;
  int64_t lost_after_ms = 5 * 60 * int64_t{1000};
  int64_t finished_jobs_age_ms = 7 * 24 * 3600 * int64_t{1000};
  size_t finished_jobs_count = 1'000'000;
  int64_t request_memory_ms = 3600 * int64_t{1000};
  size_t watch_history_epochs = 10'000;
  // Each that many placements, one is held against a look at every node. 0: none.
  int64_t check_placements = 0;
};

// A changed configuration. Not among the state's commands, which know nothing of plugins.
struct ProfileChange {
  state::Principal principal;
  std::vector<pipeline::ProfileOptions> profiles;
  // Absent: they stay as they are. Of those that there are, by name and topology key.
  std::optional<std::vector<state::SharedResourceSpec>> shared_resources;
};

struct TurnInput {
  int64_t now_ms = 0;                          // loop time: monotonic over the life of the cluster
  int64_t wall_ms = 0;                         // only decorates records
  std::vector<ProfileChange> profile_changes;  // before the commands
  std::vector<state::Command> commands;
  // Entries of columns that the turn may touch. What the commands touch counts; when they have used
  // it up, one task is placed all the same.
  int64_t work_units = 0;
};

struct TurnOutput {
  // Null when nothing changed; else what the store must hold before anything below is released.
  std::shared_ptr<const state::ChangeBatch> batch;
  std::vector<absl::Status> profile_answers;        // one for each profile change, in order
  std::vector<std::pair<uint64_t, Reply>> replies;  // by Command::token
  std::vector<state::AgentEffect> agent_effects;
  std::vector<std::string> warnings;        // for the log: what an operator should look at
  bool more_work = false;                   // the budget ran out: call again
  int64_t work_units = 0;                   // what it has touched
  int64_t command_work_units = 0;           // of it, for the commands
  std::optional<int64_t> next_deadline_ms;  // loop time at which there is something to do
};

// What the loop counts of itself; from the start of the process.
struct TurnCounters {
  uint64_t scheduled = 0;
  uint64_t unschedulable = 0;
  uint64_t scheduling_errors = 0;
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  uint64_t cancelled = 0;
  uint64_t heartbeats = 0;
  // By name, of all that a profile has or had.
  std::map<std::string, uint64_t, std::less<>> plugin_errors;
  uint64_t placements_checked = 0;
  uint64_t placements_wrong = 0;  // of those
  ReconciledCounts reconciled{};  // of agents that came back, by outcome
  uint64_t attempts_unknown = 0;  // that agents reported and nobody here knows
  uint64_t attempts_lost = 0;     // given up because their node was silent, for too long or until
                                  // it had ended them by itself
};

// The loop's state and its one operation. Deterministic: it reads no clock, randomness, file or
// socket, and everything that it iterates has an order of its own.
//
// Threading: one thread. Errors: a command that cannot be carried out is answered, never fatal; a
// broken invariant is (BERTH_CHECK).
class Turn {
 public:
  // `state` is recovered and its term has begun. The profiles are compiled here, against the
  // state's names; INVALID_ARGUMENT says which is wrong and where.
  static absl::StatusOr<std::unique_ptr<Turn>> Create(
      const TurnOptions& options, std::unique_ptr<state::ClusterState> state,
      const PluginRegistry& registry, const std::vector<pipeline::ProfileOptions>& profiles);

  TurnOutput Run(TurnInput input);

  const state::ClusterState& state() const { return *state_; }
  // The mix of tasks that profiles were made with.
  const state::TaskMix& task_mix() const { return task_mix_; }
  const queue::SchedulingQueue& queue() const { return queue_; }
  const TurnCounters& counters() const { return counters_; }
  std::vector<ScoredShapeCounts> scored_shapes() const { return scoring_.Counts(); }
  size_t sessions() const { return streams_.size(); }

 private:
  Turn(const TurnOptions& options, std::unique_ptr<state::ClusterState> state,
       const PluginRegistry& registry);

  // A profile with what bindings note of it.
  struct LoadedProfile {
    pipeline::Profile profile;
    std::shared_ptr<const state::ScoreSheet> sheet;
  };

  // Takes over a changed configuration, with its audit record. On any error nothing is changed.
  // FAILED_PRECONDITION names a profile that is gone while jobs use it.
  absl::Status Do(const ProfileChange& change);
  absl::Status ReplaceProfiles(const std::vector<pipeline::ProfileOptions>& profiles);
  absl::Status LoadProfiles(const std::vector<pipeline::ProfileOptions>& profiles);
  // Once a day: what tasks ask for, for profiles that go by it. They are made anew when it has
  // changed.
  void CountTaskMix();
  state::TaskMix TaskMixOf(int64_t day) const;
  void RebuildQueue();

  Reply Answer(ReplyBody body);
  Reply Refuse(absl::Status status, Reason reason, std::string field = "");
  Reply RefuseReused(const std::string& request_id);
  void Audit(const state::Principal& who, std::string action, std::string object,
             std::string outcome, std::string detail = "");

  // ---- submissions (submissions.cc) ----
  Reply Do(const state::Principal& who, state::SubmitJob& command);
  Reply Do(const state::Principal& who, const state::NoteBatchRefusal& command);
  Reply Do(const state::Principal& who, const state::GetBatch& command);
  Reply Admit(const state::Principal& who, state::SubmitJob& command);
  // What stands against a job of this principal, whatever the nodes have; else its profile.
  std::optional<Reply> RefuseJob(const state::Principal& who, const state::JobSpec& spec,
                                 uint32_t& profile);
  // A required rule that no filter of the profile would keep.
  std::optional<Reply> RefuseUnkeptRule(const state::JobSpec& spec, uint32_t profile);
  // Of a group that asks for a resource which is not there.
  static std::string ResourcesField(size_t group);
  // Plans a group's tasks behind those that were planned before. REQUIRES: a trial is on.
  absl::Status PlanGroup(const state::PlanJob& command, uint32_t group, state::ShapeId shape,
                         PlanReply& plan);
  // Says how a new job stands: fits now, later, never.
  void Judge(const state::JobRow& job, SubmitReply& reply);
  absl::StatusOr<pipeline::Placeability> JudgeShape(state::ShapeId shape, const TaskView& task);

  // ---- operators (operations.cc) ----
  Reply Do(const state::Principal& who, const state::Cancel& command);
  Reply Do(const state::Principal& who, const state::SetCordon& command);
  Reply Do(const state::Principal& who, const state::NoteSnapshot& command);
  CancelReply::Result CancelOne(const state::Principal& who, const state::ObjectRef& object,
                                const std::string& message);
  // Asks one task to end; true when it is on its way out or cancelled now.
  bool CancelTask(state::JobRow& job, const TaskKey& key, const std::string& message);

  // ---- attempts in quarantine (quarantine.cc) ----
  Reply Do(const state::Principal& who, const state::SettleStrays& command);
  // What is known of all strays, for one command.
  struct StraySurvey;
  StraySurvey SurveyStrays(const std::string& node) const;
  // What becomes of one that the command names; nothing of it changes unless reason is kNone.
  SettleReply::Result SettleOne(const state::Principal& who, state::StrayAction action, Slot slot,
                                const state::AgentAttempt& attempt, const StraySurvey& survey);
  SettleReply::Result ResultOfMissing(const state::SettleStrays& command, size_t object,
                                      const StraySurvey& survey) const;
  // Why a stray cannot become its task's attempt; kNone: it can. `message` is what follows its name
  // in a sentence.
  Reason WhyNotAdopted(Slot slot, const state::AgentAttempt& attempt, const StraySurvey& survey,
                       std::string& message) const;
  // REQUIRES: nothing speaks against it.
  void AdoptStray(Slot slot, const state::AgentAttempt& attempt);
  state::StrayView ViewStray(Slot slot, const state::AgentAttempt& attempt) const;

  // ---- reads (reads.cc) ----
  Reply Do(const state::Principal& who, const state::GetJob& command);
  Reply Do(const state::Principal& who, const state::ListJobs& command);
  Reply Do(const state::Principal& who, const state::GetTask& command);
  Reply Do(const state::Principal& who, const state::ListTasks& command);
  Reply Do(const state::Principal& who, const state::GetNode& command);
  Reply Do(const state::Principal& who, const state::ListNodes& command);
  Reply Do(const state::Principal& who, const state::Explain& command);
  Reply Do(const state::Principal& who, const state::PlanJob& command);
  Reply Do(const state::Principal& who, const state::CatchUp& command);
  Reply Do(const state::Principal& who, const state::LocateOutput& command);
  Reply Do(const state::Principal& who, const state::DiagnoseNode& command);
  // Why `who` may not act on the task of a LocateOutput, or why that cannot be done now.
  std::optional<Reply> RefuseAct(const state::Principal& who, const state::LocateOutput& command,
                                 const state::JobRow& job, const std::string& task);

  // The refusal of a further page of a list that was begun before a snapshot was restored: its
  // first pages showed what may not be any more.
  std::optional<Reply> RefuseOldPage(uint64_t first_epoch);
  // A job that the principal may see, else null.
  const state::JobRow* VisibleJob(const state::Principal& who, JobId id) const;
  // The task that `object` names in `job`; for a job of several tasks without a name of one,
  // nullopt. `why` says what is wrong.
  std::optional<TaskKey> ResolveTask(const state::JobRow& job, const state::ObjectRef& object,
                                     std::string& why) const;
  // Tasks that stand before this one in policy order.
  std::optional<int64_t> QueuePosition(const state::JobRow& job, const TaskKey& key) const;

  // ---- scores from outside (scoring.cc) ----
  Reply Do(const state::Principal& who, const state::ReadForScoring& command);
  Reply Do(const state::Principal& who, const state::PutScores& command);
  Reply Do(const state::Principal& who, const state::NoteScorer& command);
  // A task as plugins see it. REQUIRES: the shape has users. Valid until they go, or its scores
  // from outside change.
  TaskView ViewOf(state::ShapeId shape, const TaskKey& key) const;
  // Those of the profiles in force that have a plugin which reads scores from outside.
  std::vector<ScoredProfile> FindScored(const std::vector<pipeline::ProfileOptions>& options) const;

  // ---- task features (features.cc) ----
  Reply Do(const state::Principal& who, state::SetFeatures& command);
  Reply Do(const state::Principal& who, state::KeepFeatureState& command);

  // ---- agents (sessions.cc, facts.cc) ----
  Reply Do(const state::Principal& who, state::OpenSession& command);
  Reply Do(const state::Principal& who, const state::CloseSession& command);
  Reply Do(const state::Principal& who, const state::AgentFacts& command);
  Reply Do(const state::Principal& who, state::AgentHeartbeat& command);
  Reply Do(const state::Principal& who, state::InventoryChanged& command);
  // `knows_us`: the agent's journal is the one that earlier sessions spoke with.
  void Reconcile(Slot slot, const state::OpenSession& hello, bool knows_us);
  void Count(Reconciled outcome) { ++counters_.reconciled[static_cast<size_t>(outcome)]; }
  // What the agent has that is no task's current attempt.
  void ReconcileStrays(Slot slot, const state::OpenSession& hello);
  // Counts attempts that an agent has and that belong to jobs unknown here, and says so.
  void WarnOfUnknown(const std::string& node, int64_t attempts, const std::set<JobId>& jobs);
  void EndStream(Slot slot);
  // Whether this attempt was made by this daemon or one before it, since the last restore or before
  // the snapshot that was restored.
  bool WasMadeHere(const state::AgentAttempt& attempt) const;
  // Task whose current attempt this is, if there is one.
  std::optional<TaskKey> FindAttempt(const state::AgentAttempt& attempt) const;
  state::AgentAttempt NameOf(const state::JobRow& job, const TaskKey& key) const;
  void AttemptStarted(const TaskKey& key, const state::AttemptStart& start);
  void SetReadiness(const TaskKey& key, bool ready);
  // `not_before_ms`: when another attempt may begin at the earliest, should this one be lost.
  void AttemptFinished(const TaskKey& key, const state::AttemptFinish& finish,
                       int64_t not_before_ms = 0);
  // More memory for the next attempts of a task that was killed at its limit; false: its group does
  // not ask for that, or the most was not enough.
  bool GrowMemory(state::JobRow& job, const TaskKey& key, state::AttemptEnd end);
  // A task that was placed waits for a new attempt, from `not_before_ms` on (0: at once).
  void Requeue(state::JobRow& job, const TaskKey& key, int64_t not_before_ms);
  void FinishJobIfDone(state::JobRow& job);
  void Direct(Slot slot, state::Directive directive);
  uint64_t TakeSequence(Slot slot);
  void SendStart(const state::JobRow& job, const TaskKey& key);
  void SendStop(const state::JobRow& job, const TaskKey& key);

  // ---- tasks that another attempt keeps waiting (settling.cc) ----
  // A stray has ended.
  void EndStray(Slot slot, const state::AgentAttempt& attempt);
  // A node is lost: what strays on it keeps nothing waiting, from when it has surely ended if it is
  // fenced, else from now.
  void PlanLettingGo(Slot slot);
  void StopLettingGo(Slot slot);
  void BeginSettling();
  void CheckSettling();
  // When CheckSettling() has something to do next.
  std::optional<int64_t> SettledAt() const;

  // ---- nodes that fail what they are given (black_holes.cc) ----
  // After each end of an attempt. A node on which one start after the other fails at once, while
  // others do well or because of itself, is cordoned: it would else be given everything.
  void JudgeNode(Slot slot, const state::JobRow& job, const state::AttemptFinish& finish);
  void CordonBlackHole(Slot slot, const std::string& last);

  // ---- times of travel (peers.cc) ----
  // A plan that is being made, some nodes a turn.
  struct PeerPlan {
    // Of one topology key.
    struct Domains {
      std::string key;
      std::map<std::string, uint32_t> numbers;  // by value, from 1
      std::vector<uint32_t> of;                 // by place in the ring; 0: in none
    };
    std::vector<Domains> keys;
    std::vector<Slot> ring;  // in order of name
    std::string next_name;   // first node that was not looked at
    bool is_gathered = false;
    size_t next = 0;  // first place in the ring whose node was not told
  };
  // After one has come, gone or changed its address or labels.
  void NodesChanged();
  // Begins a plan when it is time for one, and goes on with the one that is being made.
  void PlanPeers();
  // Each looks at no more than `steps` nodes, and takes off what it looked at.
  void GatherRing(PeerPlan& plan, size_t& steps) const;
  void TellPeers(PeerPlan& plan, size_t& steps);
  // Places in the ring, in order.
  static std::vector<size_t> PeersOf(const PeerPlan& plan, size_t at);
  // What was measured becomes how near domains are, once a while.
  void RecountNearness();
  void TakeLatencies(Slot slot, const std::vector<std::pair<std::string, int64_t>>& latencies);

  // ---- measured use (timers.cc) ----
  // What agents measured becomes what plugins see, bit by bit: the tick of a decaying column.
  void StepUsage();

  // ---- silence of nodes (silence.cc) ----
  void Hear(Slot slot);
  // After anything that decides whether a node may get work: it is connected and heard from.
  void SyncReady(Slot slot);
  void CheckSilence();
  // "node "n1" has not been heard from for 40 s".
  std::string SilenceOf(Slot slot) const;
  // Once its lease has ended; returns how many of its attempts are fenced.
  size_t AddFences(Slot slot);
  // False: the attempt has ended meanwhile.
  bool EndFenced(Slot slot, const Leases::Fence& fence);
  // Returns how many attempts were given up.
  size_t GiveUp(Slot slot);
  void EndSilentStream(Slot slot, const std::string& silent);
  void Lose(const TaskKey& key, const std::string& message);

  // ---- scheduling (placing.cc) ----
  void Schedule(int64_t budget);
  // An explanation looks at every node about as often as this, with what it suggests.
  static constexpr int64_t kLooksOfExplanation = 8;
  // Counts looks at every node through a profile.
  void Charge(const pipeline::Profile& profile, int64_t looks);
  engine::ShapeKey KeyOf(state::ShapeId shape) const;
  // Whether a node could ever hold such a task. What is known of a shape holds until a node changes
  // in more than what is allocated on it.
  absl::StatusOr<bool> MayEverFit(state::ShapeId shape, const TaskView& task);
  // After anything that changes whether a group has something to place.
  void SyncQueue(const state::JobRow& job, uint32_t group);
  void SyncShape(state::ShapeId shape, const queue::QueuedEntry& entry, bool has_pending);
  // Takes a group out of the queue, whatever shapes its tasks have.
  void LeaveQueue(const state::JobRow& job, uint32_t group);
  // After a job has come or ended: groups that are concerned by its rules, or by others', get their
  // requirements anew.
  void SyncTerms();
  // After anything that changes whether a task may be placed.
  void SyncTask(const TaskKey& key);
  void Park(state::ShapeId shape, state::JobRow& job);
  // What the profile's order says of a group: 0 when it cannot say, which is noted.
  int64_t QueueKeyOf(const state::JobRow& job, uint32_t group);
  // Counts what a plugin got wrong, and names it in the log, with what comes of it.
  void NotePluginError(const absl::Status& error, std::string_view consequence);
  // ---- a debug check of placements (placement_check.cc) ----
  bool IsCheckDue();
  // The placement, or the one that is right when everything is asked anew.
  absl::StatusOr<engine::Placement> Check(const LoadedProfile& loaded, state::ShapeId shape,
                                          const TaskView& task, engine::Placement placement);
  // Gives those another try that a node may fit now; or all of them.
  void WakeParked();
  void WakeAllParked();
  // The record of why a placement is as it is.
  std::shared_ptr<const state::Decision> MakeDecision(const LoadedProfile& profile,
                                                      const engine::Placement& placement) const;
  void Bind(state::JobRow& job, const TaskKey& key, const engine::Placement& placement);
  queue::QueuedEntry EntryOf(const state::JobRow& job, uint32_t group) const;
  const LoadedProfile& ProfileOf(state::ShapeId shape) const;

  // ---- time (timers.cc) ----
  void RunTimers();
  std::optional<int64_t> NextDeadline() const;

  const TurnOptions options_;
  std::unique_ptr<state::ClusterState> state_;
  const PluginRegistry& registry_;
  std::vector<LoadedProfile> profiles_;
  std::vector<pipeline::ProfileOptions> profile_options_;  // that they were made of
  state::TaskMix task_mix_;
  std::map<std::string, uint32_t, std::less<>> profile_index_;
  queue::SchedulingQueue queue_;
  engine::Engine engine_;
  engine::ParkedShapes parked_shapes_;
  OutsideScoring scoring_;
  struct EverFits {
    engine::ShapeKey shape;
    uint64_t static_changes = 0;  // as of when
    bool may = false;
  };
  std::map<state::ShapeId, EverFits> ever_fits_;
  static constexpr int64_t kRetryAfterErrorMs = 1000;

  std::optional<int64_t> retry_parked_at_ms_;
  uint64_t next_session_ = 1;
  std::map<uint64_t, Slot> streams_;
  Leases leases_;
  StartFailures start_failures_;
  bool leases_began_ = false;
  std::set<std::pair<int64_t, TaskKey>> backing_off_;  // (loop time, task)
  // Of lost nodes: (loop time, node, stray).
  std::set<std::tuple<int64_t, Slot, state::AgentAttempt>> letting_go_;
  // While nodes may run attempts of a restored state's tasks that it does not know.
  struct Settling {
    int64_t began_ms = 0;
    std::set<Slot> silent;  // nodes that have not said what they run
    // Groups that wait: (loop time before which what is fenced may still run, job, group).
    std::set<std::tuple<int64_t, JobId, uint32_t>> groups;
  };
  std::optional<Settling> settling_;
  bool settling_began_ = false;
  std::set<std::pair<int64_t, JobId>> finished_;  // (ended_at_ms, job)
  // Starts of a node that failed at once, since the last one that did not. Not kept over a restart.
  struct Streak {
    int failures = 0;
    int node_caused = 0;   // of them, those that say that it is the node
    std::set<JobId> jobs;  // whose they were; no more than it takes
    int64_t began_ms = 0;
  };
  std::map<Slot, Streak> streaks_;
  std::optional<int64_t> plan_peers_at_ms_;
  state::UsageMeters usage_meters_;
  std::optional<int64_t> step_usage_at_ms_;  // absent: nothing is known of any node
  int64_t recount_nearness_at_ms_ = 0;       // not before
  std::optional<PeerPlan> peer_plan_;        // what is left of it is due at once
  // The last end that speaks for its node: (loop time, node).
  std::pair<int64_t, Slot> last_good_end_ = {-1, kNoSlot};
  TurnCounters counters_;
  int64_t placements_since_check_ = 0;

  // Most jobs, tasks or attempts that one page of a list looks at: a filter that matches little
  // must not hold the loop.
  static constexpr int kLooksPerPage = 50'000;
  // A command costs as much as touching this many entries, before what it looks at.
  static constexpr int64_t kUnitsOfCommand = 2000;

  // Of the running turn.
  int64_t work_units_ = 0;
  int64_t now_ms_ = 0;
  int64_t wall_ms_ = 0;
  std::vector<state::AgentEffect> effects_;
  std::vector<std::string> warnings_;
  std::map<uint64_t, size_t> directives_of_;  // stream → place of its SendDirectives in effects_
};

}  // namespace berth::scheduler
