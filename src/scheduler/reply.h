// Answers of the loop to commands. Released only when the epoch that they show is durable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "berth/reason.h"
#include "pipeline/explanation.h"
#include "state/changes.h"
#include "state/commands.h"
#include "state/stray.h"
#include "state/views.h"

namespace berth::scheduler {

struct SubmitReply {
  JobId job;
  int64_t tasks = 0;
  std::vector<std::string> warnings;
  pipeline::Placeability placeability = pipeline::Placeability::kFitsNow;
};

struct BatchReply {
  int64_t next_offset = 0;
};

struct CancelReply {
  struct Result {
    int64_t tasks = 0;              // now on their way out, or cancelled
    Reason reason = Reason::kNone;  // kNone: done
  };
  std::vector<Result> results;  // one for each object, in order
};

struct JobReply {
  state::JobView job;
};

struct JobsReply {
  std::vector<state::JobView> jobs;
  bool more = false;
  // Where the next page goes on; set when `more`. (A page may be short: filters skip jobs.)
  JobId after;
  uint64_t first_epoch = 0;
};

struct TaskReply {
  state::TaskStatusView task;
};

struct TasksReply {
  std::vector<state::TaskStatusView> tasks;
  bool more = false;
  // Where the next page goes on; set when `more`. (A page may be short: filters skip tasks.)
  TaskKey after;
  uint64_t first_epoch = 0;
};

struct NodeReply {
  state::NodeView node;
};

struct NodesReply {
  std::vector<state::NodeView> nodes;
  bool more = false;
  uint64_t first_epoch = 0;
};

struct ExplainReply {
  state::TaskStatusView task;
  // As of now: of the task's needs against the present cluster.
  pipeline::Explanation explanation;
  std::optional<int64_t> queue_position;
  int64_t task_mix_tasks = 0;  // that profiles go by
  int64_t task_mix_day = 0;
};

struct PlanReply {
  struct Task {
    uint32_t group = 0;
    uint32_t position = 0;
    std::string node;  // empty: none
    std::shared_ptr<const state::Decision> decision;
    // Whole for the first task of a group and for one that has no node; else text alone.
    pipeline::Explanation explanation;
    int64_t like_it = 1;  // tasks of the group, from this one on, that have no node either
  };
  std::shared_ptr<const state::JobSpec> spec;
  // In order: those that would have a node, some 1,000 at most, and the first of each group that
  // would have none.
  std::vector<Task> tasks;
  int64_t tasks_total = 0;    // of the job
  int64_t tasks_planned = 0;  // looked at: of a large job not all
  int64_t tasks_placed = 0;   // of those
  std::string text;           // "3 of 4 tasks would be placed now"
};

// The state, now, of everything that changed after the asked epoch: JobChange, TaskChange,
// NodeChange, JobRemoval and NodeRemoval only.
struct CatchUpReply {
  std::vector<state::Change> changes;
};

struct OutputReply {
  uint64_t stream = 0;  // of the agent that has it; 0: not connected
  std::string node;
  state::AgentAttempt attempt;
  bool ended = false;
};

struct NodeHealthReply {
  // An attempt that its node could not start.
  struct FailedStart {
    std::string ns;    // of the task
    std::string task;  // empty: of a namespace that the asker may not see
    Reason reason = Reason::kNone;
    std::string message;
    int64_t unix_ms = 0;
    bool of_node = false;  // another task would have met the same there
  };
  state::NodeView node;
  uint64_t stream = 0;               // of its agent; 0: not connected
  std::optional<int64_t> silent_ms;  // since it was heard from; absent: not by this process yet
  // The last few since this process began, the latest first.
  std::vector<FailedStart> failed_starts;
  int64_t now_unix_ms = 0;
};

struct SettleReply {
  struct Result {
    std::optional<state::StrayView> stray;  // absent: none is in quarantine
    size_t object = 0;                      // without a stray: which of the command's
    Reason reason = Reason::kNone;          // kNone: listed, or done
    std::string message;                    // of a refusal
  };
  std::vector<Result> results;
  bool more = false;
  state::StrayCursor after;  // where the next page goes on; set when `more`
  uint64_t first_epoch = 0;
};

// What a scorer is told, as of `epoch`.
struct ScoringReply {
  struct Shape {
    state::ShapeKey key;
    std::shared_ptr<const state::NeedsSpec> needs;  // without rules between tasks
    bool has_scores = false;                        // that are not stale
  };
  uint64_t config = 0;  // of the profile's scorer; another one after a reload that changed it
  uint64_t epoch = 0;
  int64_t now_ms = 0;  // loop time
  state::PicturePage page;
  // With the last page: how many slots there are, and the shapes, the last used first.
  size_t slots = 0;
  std::vector<Shape> shapes;
};

struct PutScoresReply {
  size_t taken = 0;    // columns
  size_t refused = 0;  // of shapes that nobody has any more
};

using ReplyBody = std::variant<std::monostate, SubmitReply, BatchReply, CancelReply, JobReply,
                               JobsReply, TaskReply, TasksReply, NodeReply, NodesReply,
                               ExplainReply, PlanReply, CatchUpReply, OutputReply, NodeHealthReply,
                               SettleReply, ScoringReply, PutScoresReply>;

struct Reply {
  absl::Status status;            // OK: body is set
  Reason reason = Reason::kNone;  // of a refusal, for ErrorInfo
  std::string field;              // path of the field at fault; may be empty
  uint64_t epoch = 0;             // that the answer shows
  ReplyBody body;
};

}  // namespace berth::scheduler
