// All that can be asked of the loop. Every command carries the principal that it comes from.
//
// Commands are values made by other threads and consumed by the loop. They arrive validated: field
// by field, against the bounds of the wire. What depends on state (is the name taken, does the
// job exist, may this principal see it) is decided in the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "berth/ids.h"
#include "berth/plugin_args.h"
#include "berth/reason.h"
#include "state/changes.h"
#include "state/group_hints.h"
#include "state/job_spec.h"
#include "state/job_state.h"
#include "state/node_picture.h"
#include "state/node_spec.h"
#include "state/node_usage.h"
#include "state/principal.h"
#include "state/shape_id.h"
#include "state/task_row.h"
#include "state/views.h"

namespace berth::state {

// The inbox has one bounded queue for each; a turn takes agents' facts first.
enum class CommandClass : uint8_t { kAgents, kOperators, kSubmissions };
inline constexpr int kCommandClasses = 3;

// ---- submissions ----

// What was read out of a submission for one group, beside its specification.
struct GroupFeatures {
  GroupHints hints;
  // What is kept of where they came from, for those who show it: bytes of whoever read them.
  std::shared_ptr<const std::string> record;
};

struct SubmitJob {
  std::shared_ptr<const JobSpec> spec;
  std::shared_ptr<const std::string> blob;  // content of spec->blob
  RunAs run_as;
  std::string request_id;  // empty: none
  std::string body_hash;   // SHA-256 of the request; set with request_id
  // Item of a batch; the offset must be the batch's next one.
  std::string batch_id;  // empty: none
  int64_t batch_offset = 0;
  // Empty, or one for each group.
  std::vector<GroupFeatures> features;
};

// An item of a batch was refused before it reached the loop: the batch goes on past it.
struct NoteBatchRefusal {
  std::string batch_id;
  int64_t batch_offset = 0;
};

// Where a batch stands.
struct GetBatch {
  std::string batch_id;
};

// ---- operators and readers ----

// A job ("12"), a task ("12.3", "12.worker.3") or an attempt ("12.3#2"), as it was written and
// split at the edge; names are resolved in the loop.
struct ObjectRef {
  JobId job;
  bool has_task = false;
  std::string group;  // empty: the only group
  int64_t index = 0;
  uint32_t attempt = 0;  // 0: the last
};

struct Cancel {
  std::vector<ObjectRef> objects;
  std::string message;
  std::string request_id;
  std::string body_hash;
};

struct SetCordon {
  std::string node;
  bool cordoned = false;
};

// A snapshot of the store is about to be sent to this principal: leaves an audit record, and is
// answered when that is durable, so that the snapshot has it.
struct NoteSnapshot {};

struct GetJob {
  JobId job;
};

struct ListJobs {
  std::string ns;  // empty: every visible one
  int32_t page_size = 100;
  bool newest_first = false;
  std::vector<JobState> states;  // empty: all
  // From a page token: go on after this job; 0: from the start.
  JobId after;
  uint64_t first_epoch = 0;  // of the first page; 0: this is it
};

struct GetTask {
  ObjectRef object;
};

struct ListTasks {
  std::optional<JobId> job;
  std::string ns;
  int32_t page_size = 100;
  std::vector<TaskState> states;
  std::optional<TaskKey> after;
  uint64_t first_epoch = 0;
};

struct GetNode {
  std::string node;
};

struct ListNodes {
  int32_t page_size = 100;
  std::string after;  // name; empty: from the start
  uint64_t first_epoch = 0;
};

// Where the tasks of a job would go, without submitting it.
struct PlanJob {
  std::shared_ptr<const JobSpec> spec;
  std::vector<GroupFeatures> features;  // empty, or one for each group
  int32_t top = 3;                      // most entries of each explanation's scores
};

struct Explain {
  ObjectRef object;
  int32_t top = 5;
};

// What changed after `from_epoch`; the reply's epoch is where a live watch goes on.
struct CatchUp {
  std::optional<uint64_t> from_epoch;  // absent: from now on
  bool jobs = false;
  bool tasks = false;
  bool nodes = false;
  std::optional<JobId> job;  // only this one and its tasks
  std::string ns;
};

// Where an attempt is, to read its output or to do something to it.
struct LocateOutput {
  ObjectRef object;
  bool previous = false;  // of the attempt before the one that `object` names
  // What is to be done: "exec". Whoever may not cancel the task may not do it, and it is audited.
  // Empty: its output is read.
  std::string act;
  bool must_run = false;
};

// What is known of a node's health.
struct DiagnoseNode {
  std::string node;
};

// ---- agents ----

enum class AttemptPhase : uint8_t { kAccepted = 1, kRunning = 2, kStopping = 3, kEnded = 4 };

struct AttemptStart {
  int64_t unix_ms = 0;
  std::string isolation;
  std::vector<std::string> not_enforced;
};

struct AttemptFinish {
  AttemptEnd end = AttemptEnd::kNone;
  Reason reason = Reason::kNone;
  std::string message;
  int32_t exit_code = -1;
  int32_t signal = 0;
  Usage usage;
  int64_t started_unix_ms = 0;
  int64_t ended_unix_ms = 0;
};

// An attempt named by job, group and array index, as agents name it; the loop finds the position.
struct AgentAttempt {
  JobId job;
  uint32_t group = 0;
  uint32_t index = 0;
  uint32_t attempt = 0;

  bool operator==(const AgentAttempt&) const = default;
  auto operator<=>(const AgentAttempt&) const = default;
};

// What an attempt holds on its node, and whose it is, in the words that its agent was told.
struct AttemptHolding {
  std::string task_id;
  std::string job_name;
  std::string ns;
  Amounts requests;
  std::vector<std::string> device_ids;
  int32_t device_share_milli = 0;  // 0: whole devices
  int32_t device_memory_mib = 0;   // held on a shared device
};

struct AttemptReport {
  AgentAttempt attempt;
  AttemptPhase phase = AttemptPhase::kAccepted;
  std::optional<AttemptStart> started;
  std::optional<AttemptFinish> ended;
  AttemptHolding holding;  // empty once it has ended
};

// A stream's Hello. `stream` is the link's own number for it, never reused while berthd runs.
struct OpenSession {
  // Rises in the order in which connections were taken up. An agent says Hello on one after that,
  // and has given up those before.
  uint64_t stream = 0;
  NodeSpec node;
  std::string incarnation;
  std::string cluster_id;  // empty: it has not joined one
  uint32_t generation = 0;
  uint64_t directive_sequence = 0;
  std::vector<AttemptReport> attempts;
};

struct CloseSession {
  uint64_t stream = 0;
};

struct AgentFact {
  uint64_t sequence = 0;
  AgentAttempt attempt;
  // accepted: none of them; started; ended; what its readiness check says has changed.
  std::optional<AttemptStart> started;
  std::optional<AttemptFinish> ended;
  std::optional<bool> ready;
};

struct AgentFacts {
  uint64_t stream = 0;
  std::vector<AgentFact> facts;  // rising sequence
};

struct AgentHeartbeat {
  uint64_t stream = 0;
  uint64_t sequence = 0;
  Usage node;
  NodeUsage parts;  // what changed
  // How far the node's clock was ahead of ours when this came. Absent: it does not say.
  std::optional<int64_t> clock_skew_ms;
  std::vector<std::pair<AgentAttempt, Usage>> attempts;
  // Time of travel to other nodes by name, in microseconds, as far as it changed; 0: no answer.
  std::vector<std::pair<std::string, int64_t>> latencies;
};

struct InventoryChanged {
  uint64_t stream = 0;
  NodeSpec node;
};

// ---- attempts in quarantine ----

// Numbered as berth.v1.ReconcileAction.
enum class StrayAction : uint8_t { kList = 1, kKill = 2, kAdopt = 3 };

// Where a list of strays goes on: after this one. By name of the node, then by attempt.
struct StrayCursor {
  std::string node;
  AgentAttempt attempt;
};

// What an operator wants of attempts in quarantine. Each page does its part.
struct SettleStrays {
  StrayAction action = StrayAction::kList;
  std::string node;                // empty: every one
  std::vector<ObjectRef> objects;  // empty: all
  int32_t page_size = 100;
  std::optional<StrayCursor> after;
  uint64_t first_epoch = 0;
};

// ---- scores from outside ----

// What a profile's scorer is to be told: nodes, some at a time, and with the last of them the
// shapes to score.
struct ReadForScoring {
  std::string profile;
  PluginArgs args;  // by which the asker works; refused when the profile has others by now
  std::optional<PictureCursor> after;
  size_t most_shapes = 100;  // with scores of their own; those used last
};

// Scores for nodes, by slot, for a shape each. Of a slot that has another generation by now they
// are nobody's.
struct PutScores {
  struct Column {
    ShapeKey shape;
    std::vector<int32_t> scores;  // from 0 to kMaxScore, as many as `generations`
  };
  std::string profile;
  uint64_t config = 0;     // as it was told
  uint64_t epoch = 0;      // of the state that was scored
  int64_t read_at_ms = 0;  // loop time of that state; they are stale `time_to_live_ms` after it
  int64_t time_to_live_ms = 0;
  std::shared_ptr<const std::vector<uint32_t>> generations;  // of the slots, in that state
  std::vector<Column> columns;
};

// How a profile's scorer does, for explanations.
struct NoteScorer {
  std::string profile;
  uint64_t config = 0;
  std::string trouble;  // empty: it is well
  // It has failed so often that it is asked only now and then: what it said before counts no more.
  bool is_given_up = false;
};

// ---- task features ----

// What came to be known of a job's group after it was admitted, or what a person says of it. A job
// that is not kept any more is passed over.
struct SetFeatures {
  JobId job;
  uint32_t group = 0;
  FeaturePart part = FeaturePart::kModel;
  std::shared_ptr<const std::string> record;
  // Absent: they stay as they are.
  std::optional<GroupHints> hints;
};

// What those who learn from ended tasks want kept, by name; the loop does not look into it.
struct KeepFeatureState {
  struct Piece {
    std::string name;
    std::shared_ptr<const std::string> content;  // null: it is not needed any more
  };
  std::vector<Piece> pieces;
};

using CommandBody =
    std::variant<SubmitJob, NoteBatchRefusal, GetBatch, Cancel, SetCordon, NoteSnapshot, GetJob,
                 ListJobs, GetTask, ListTasks, GetNode, ListNodes, Explain, PlanJob, CatchUp,
                 LocateOutput, DiagnoseNode, OpenSession, CloseSession, AgentFacts, AgentHeartbeat,
                 InventoryChanged, SettleStrays, ReadForScoring, PutScores, NoteScorer, SetFeatures,
                 KeepFeatureState>;

struct Command {
  Principal principal;
  // Names the reply to this command; 0: nobody waits for one.
  uint64_t token = 0;
  CommandBody body;
};

}  // namespace berth::state
