// Reads: what is, for those who may see it.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scheduler/planned_job.h"
#include "scheduler/turn.h"
#include "state/generation.h"

namespace berth::scheduler {

using state::JobRow;
using state::ObjectRef;
using state::Principal;
using state::TaskState;

namespace {

absl::Status NoSuchJob(JobId id) {
  return absl::NotFoundError("job " + std::to_string(id.value) +
                             ": there is none of that id; see 'berth get jobs'");
}

std::string_view EndedText(TaskState state) {
  if (state == TaskState::kSucceeded) return "succeeded";
  return state == TaskState::kFailed ? "failed" : "been cancelled";
}

template <typename T>
bool Contains(const std::vector<T>& wanted, T value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

}  // namespace

const JobRow* Turn::VisibleJob(const Principal& who, JobId id) const {
  const JobRow* job = state_->FindJob(id);
  return job != nullptr && who.MaySee(job->spec->ns) ? job : nullptr;
}

std::optional<TaskKey> Turn::ResolveTask(const JobRow& job, const ObjectRef& object,
                                         std::string& why) const {
  const std::string id = std::to_string(job.id.value);
  if (!object.has_task) {
    if (job.spec->task_count() == 1) return TaskKey{job.id, 0, 0};
    why = "job " + id + " has " + std::to_string(job.spec->task_count()) +
          " tasks: name one, as in " + state::TaskIdText(job.id.value, *job.spec, 0, 0);
    return std::nullopt;
  }
  const auto& groups = job.spec->groups;
  uint32_t group = 0;
  if (!object.group.empty() || groups.size() > 1) {
    const auto it = std::find_if(groups.begin(), groups.end(),
                                 [&](const auto& g) { return g.name == object.group; });
    if (it == groups.end()) {
      why = "job " + id + " has no group \"" + object.group + "\"; its groups are";
      for (const auto& g : groups) why += " \"" + g.name + "\"";
      return std::nullopt;
    }
    group = static_cast<uint32_t>(it - groups.begin());
  }
  const auto position = groups[group].PositionOf(object.index);
  if (!position) {
    why = "job " + id + " has no task with index " + std::to_string(object.index) +
          "; its first is " + state::TaskIdText(job.id.value, *job.spec, group, 0) + ", its last " +
          state::TaskIdText(job.id.value, *job.spec, group,
                            static_cast<uint32_t>(groups[group].count() - 1));
    return std::nullopt;
  }
  return TaskKey{job.id, group, *position};
}

std::optional<Reply> Turn::RefuseOldPage(uint64_t first_epoch) {
  const state::ClusterMeta& meta = state_->meta();
  if (first_epoch == 0 || first_epoch >= meta.generation * state::kEpochsPerGeneration) {
    return std::nullopt;
  }
  return Refuse(absl::OutOfRangeError("page_token: the list was begun at epoch " +
                                      std::to_string(first_epoch) +
                                      ", before a snapshot was restored (now is epoch " +
                                      std::to_string(meta.epoch) + "); begin it again"),
                Reason::kEpochTooOld, "page_token");
}

Reply Turn::Do(const Principal& who, const state::GetJob& command) {
  const JobRow* job = VisibleJob(who, command.job);
  if (job == nullptr) return Refuse(NoSuchJob(command.job), Reason::kNotFound, "job_id");
  return Answer(JobReply{state_->ViewJob(*job)});
}

Reply Turn::Do(const Principal& who, const state::ListJobs& command) {
  if (auto refused = RefuseOldPage(command.first_epoch)) return *std::move(refused);
  JobsReply reply;
  reply.first_epoch = command.first_epoch != 0 ? command.first_epoch : state_->meta().epoch;
  const auto page = static_cast<size_t>(command.page_size);
  int looked_at = 0;
  // False: the page is full and there is more.
  const auto take = [&](const JobRow& job) {
    const bool wanted =
        who.MaySee(job.spec->ns) && (command.ns.empty() || job.spec->ns == command.ns) &&
        Contains(command.states,
                 state::JobStateOf(job.Counts(), job.started_unix_ms, job.ended_at_ms));
    if (looked_at++ == kLooksPerPage || (wanted && reply.jobs.size() == page)) {
      reply.more = true;
      return false;
    }
    reply.after = job.id;
    if (wanted) reply.jobs.push_back(state_->ViewJob(job));
    return true;
  };
  const auto& jobs = state_->jobs();
  if (command.newest_first) {
    auto it = command.after.value != 0 ? jobs.lower_bound(command.after) : jobs.end();
    while (it != jobs.begin() && take(*(--it)->second)) {
    }
  } else {
    for (auto it = jobs.upper_bound(command.after); it != jobs.end() && take(*it->second); ++it) {
    }
  }
  return Answer(std::move(reply));
}

Reply Turn::Do(const Principal& who, const state::GetTask& command) {
  const JobRow* job = VisibleJob(who, command.object.job);
  if (job == nullptr) return Refuse(NoSuchJob(command.object.job), Reason::kNotFound, "task_id");
  std::string why;
  const auto key = ResolveTask(*job, command.object, why);
  if (!key) return Refuse(absl::NotFoundError(why), Reason::kNotFound, "task_id");
  return Answer(TaskReply{state_->ViewTask(*job, *key)});
}

Reply Turn::Do(const Principal& who, const state::ListTasks& command) {
  if (auto refused = RefuseOldPage(command.first_epoch)) return *std::move(refused);
  TasksReply reply;
  reply.first_epoch = command.first_epoch != 0 ? command.first_epoch : state_->meta().epoch;
  if (command.job && VisibleJob(who, *command.job) == nullptr) {
    return Refuse(NoSuchJob(*command.job), Reason::kNotFound, "job_id");
  }
  int looked_at = 0;
  const auto& jobs = state_->jobs();
  auto it = command.after ? jobs.lower_bound(command.after->job)
            : command.job ? jobs.find(*command.job)
                          : jobs.begin();
  for (; it != jobs.end(); ++it) {
    const JobRow& job = *it->second;
    if (command.job && job.id != *command.job) break;
    if (!who.MaySee(job.spec->ns) || (!command.ns.empty() && job.spec->ns != command.ns)) continue;
    const bool resumed = command.after && command.after->job == job.id;
    for (uint32_t g = resumed ? command.after->group : 0; g < job.groups.size(); ++g) {
      const bool same_group = resumed && g == command.after->group;
      for (uint32_t p = same_group ? command.after->position + 1 : 0; p < job.groups[g].count;
           ++p) {
        if (static_cast<int>(reply.tasks.size()) == command.page_size ||
            looked_at == kLooksPerPage) {
          reply.more = true;
          return Answer(std::move(reply));
        }
        ++looked_at;
        const TaskKey key{job.id, g, p};
        reply.after = key;
        state::TaskStatusView view = state_->ViewTask(job, key);
        if (Contains(command.states, view.row.state)) reply.tasks.push_back(std::move(view));
      }
    }
  }
  return Answer(std::move(reply));
}

Reply Turn::Do(const Principal&, const state::GetNode& command) {
  const Slot slot = state_->nodes().Find(command.node);
  if (slot == kNoSlot) {
    return Refuse(absl::NotFoundError("node \"" + command.node +
                                      "\": there is none of that name; see 'berth get nodes'"),
                  Reason::kNotFound, "name");
  }
  return Answer(NodeReply{state_->ViewNode(slot)});
}

Reply Turn::Do(const Principal&, const state::ListNodes& command) {
  if (auto refused = RefuseOldPage(command.first_epoch)) return *std::move(refused);
  NodesReply reply;
  reply.first_epoch = command.first_epoch != 0 ? command.first_epoch : state_->meta().epoch;
  const auto& by_name = state_->nodes().by_name();
  for (auto it = by_name.upper_bound(command.after); it != by_name.end(); ++it) {
    if (static_cast<int>(reply.nodes.size()) == command.page_size) {
      reply.more = true;
      break;
    }
    reply.nodes.push_back(state_->ViewNode(it->second));
  }
  return Answer(std::move(reply));
}

std::optional<int64_t> Turn::QueuePosition(const JobRow& job, const TaskKey& key) const {
  const state::GroupRow& group = job.groups[key.group];
  const state::ShapeId shape = group.ShapeAt(key.position);
  const auto before = queue_.Before(shape, EntryOf(job, key.group));
  if (!before) return std::nullopt;
  int64_t position = 0;
  for (const auto& [of, entry] : *before) {
    position += state_->FindJob(entry.job)->groups[entry.group].pending_count(of);
  }
  if (shape != group.shape) {
    const absl::btree_set<uint32_t>& queued = group.apart.at(shape).queued;
    if (!queued.contains(key.position)) return std::nullopt;
    return position + std::distance(queued.begin(), queued.lower_bound(key.position));
  }
  // Those with rows go first, then the implicit ones.
  if (group.rows.contains(key.position)) {
    if (!group.queued.contains(key.position)) return std::nullopt;
    return position + std::distance(group.queued.begin(), group.queued.lower_bound(key.position));
  }
  return position + static_cast<int64_t>(group.queued.size()) + group.RestBefore(key.position);
}

Reply Turn::Do(const Principal& who, const state::Explain& command) {
  const JobRow* job = VisibleJob(who, command.object.job);
  if (job == nullptr) return Refuse(NoSuchJob(command.object.job), Reason::kNotFound, "id");
  std::optional<TaskKey> key;
  if (command.object.has_task) {
    std::string why;
    key = ResolveTask(*job, command.object, why);
    if (!key) return Refuse(absl::NotFoundError(why), Reason::kNotFound, "id");
  } else {
    // Of a job, people mean what does not go on: its first task that is not placed.
    for (uint32_t g = 0; g < job->groups.size() && !key; ++g) {
      if (const auto first = job->groups[g].FirstWaiting()) key = TaskKey{job->id, g, *first};
    }
    if (!key) key = TaskKey{job->id, 0, 0};
  }

  ExplainReply reply;
  reply.task = state_->ViewTask(*job, *key);
  const TaskState task_state = reply.task.row.state;
  // What waits again is not where it was: its next attempt gets a decision of its own.
  if (!state::HoldsResources(task_state) && !state::IsTerminal(task_state)) {
    reply.task.row.decision.reset();
  }
  state::ShapeId shape = job->groups[key->group].ShapeAt(key->position);
  // What has ended takes no part in rules between tasks any more; were it submitted now, it would.
  std::vector<state::TaskTraits> traits;
  for (const state::GroupRow& group : job->groups) {
    const TaskRequirements& needs = state_->requirements().Get(group.shape);
    traits.push_back({.bound_by = needs.bound_by, .has_data = needs.has_data});
  }
  PlannedJob anew(*state_, *job->spec, std::move(traits));
  if (job->ended()) {
    size_t at_fault = 0;
    const uint32_t profile = state_->requirements().Get(shape).profile;
    if (anew.Begin(profile, at_fault).ok()) shape = anew.shape(key->group);
  }
  const auto& profile = ProfileOf(shape).profile;
  TaskView view = ViewOf(shape, *key);
  if (view.needs.has_data) view.data = *job->groups[key->group].data;
  Charge(profile, kLooksOfExplanation);
  auto explanation =
      pipeline::Explain(profile, view, state_->nodes(), {.top = static_cast<size_t>(command.top)});
  if (!explanation.ok()) {
    return Refuse(explanation.status(), Reason::kSchedulerError);
  }
  reply.explanation = *std::move(explanation);
  reply.task_mix_tasks = task_mix_.tasks;
  reply.task_mix_day = task_mix_.day;
  if (state::HoldsResources(task_state)) {
    reply.explanation.placeability = pipeline::Placeability::kPlaced;
    auto& scores = reply.explanation.scores;
    const Slot slot = reply.task.row.slot;
    const bool listed =
        std::any_of(scores.begin(), scores.end(), [&](const auto& s) { return s.slot == slot; });
    if (!listed) {
      auto own = pipeline::ScoreNode(profile, view, state_->nodes(), slot);
      if (!own.ok()) return Refuse(own.status(), Reason::kSchedulerError);
      scores.insert(scores.begin(), *std::move(own));
    }
  } else if (state::IsTerminal(task_state)) {
    reply.explanation.placeability = pipeline::Placeability::kEnded;
    const std::string& message = reply.task.row.attempt.message;
    reply.explanation.text = "it has " + std::string(EndedText(task_state)) +
                             (message.empty() ? "" : ": " + message) +
                             "\nwere it submitted now: " + reply.explanation.text;
  } else {
    reply.queue_position = QueuePosition(*job, *key);
    // What keeps it waiting is not the nodes.
    if (!reply.task.wait_message.empty()) {
      reply.explanation.text = reply.task.wait_message + "\n" + reply.explanation.text;
    }
  }
  scoring_.Annotate(shape, now_ms_, reply.explanation);
  return Answer(std::move(reply));
}

Reply Turn::Do(const Principal& who, const state::CatchUp& command) {
  CatchUpReply reply;
  if (command.job && VisibleJob(who, *command.job) == nullptr) {
    return Refuse(NoSuchJob(*command.job), Reason::kNotFound, "job_id");
  }
  if (!command.from_epoch) return Answer(std::move(reply));
  const auto changed = state_->ChangedSince(*command.from_epoch);
  if (!changed) {
    return Refuse(absl::OutOfRangeError("from_epoch " + std::to_string(*command.from_epoch) +
                                        ": its changes are not kept any more (now is epoch " +
                                        std::to_string(state_->meta().epoch) +
                                        "); list again and watch from that list's epoch"),
                  Reason::kEpochTooOld, "from_epoch");
  }
  const auto wanted = [&](JobId id, const std::string& ns) {
    return who.MaySee(ns) && (command.ns.empty() || ns == command.ns) &&
           (!command.job || *command.job == id);
  };
  if (command.jobs) {
    for (const JobId id : changed->jobs) {
      const JobRow* job = state_->FindJob(id);
      if (job != nullptr && wanted(id, job->spec->ns)) {
        reply.changes.push_back(state::JobChange{state_->ViewJob(*job)});
      }
    }
  }
  // A job goes with all its tasks.
  if (command.jobs || command.tasks) {
    for (const auto& [id, ns] : changed->removed_jobs) {
      if (wanted(id, ns)) reply.changes.push_back(state::JobRemoval{id, nullptr, ns});
    }
  }
  if (command.tasks) {
    for (const TaskKey& key : changed->tasks) {
      const JobRow* job = state_->FindJob(key.job);
      if (job != nullptr && wanted(key.job, job->spec->ns)) {
        reply.changes.push_back(state::TaskChange{state_->ViewTask(*job, key)});
      }
    }
  }
  if (command.nodes && !command.job) {
    for (const Slot slot : changed->nodes) {
      if (state_->nodes().Holds(slot)) {
        reply.changes.push_back(state::NodeChange{state_->ViewNode(slot)});
      }
    }
    for (const std::string& name : changed->removed_nodes) {
      reply.changes.push_back(state::NodeRemoval{kNoSlot, name});
    }
  }
  return Answer(std::move(reply));
}

std::optional<Reply> Turn::RefuseAct(const Principal& who, const state::LocateOutput& command,
                                     const JobRow& job, const std::string& task) {
  if (who.is_operator || job.submitted_by == who.name) return std::nullopt;
  Audit(who, command.act, "task " + task, "refused", "it was submitted by " + job.submitted_by);
  return Refuse(
      absl::PermissionDeniedError("task " + task + ": " + who.name + " may not do that; only " +
                                  job.submitted_by + ", who submitted it, and operators may"),
      Reason::kNotAllowed);
}

Reply Turn::Do(const Principal& who, const state::LocateOutput& command) {
  const JobRow* job = VisibleJob(who, command.object.job);
  if (job == nullptr) return Refuse(NoSuchJob(command.object.job), Reason::kNotFound, "id");
  std::string why;
  const auto key = ResolveTask(*job, command.object, why);
  if (!key) return Refuse(absl::NotFoundError(why), Reason::kNotFound, "id");
  const state::TaskRow* row = state_->FindRow(*key);
  const std::string task = state::TaskIdText(job->id.value, *job->spec, key->group, key->position);
  if (!command.act.empty()) {
    if (auto refusal = RefuseAct(who, command, *job, task)) return *std::move(refusal);
    const bool runs = row != nullptr &&
                      (row->state == TaskState::kRunning || row->state == TaskState::kSuspended ||
                       (row->state == TaskState::kStopping && row->attempt.started_unix_ms != 0));
    if (command.must_run && !runs) {
      const TaskState now = row != nullptr ? row->state : job->groups[key->group].rest;
      return Refuse(
          absl::FailedPreconditionError("task " + task + ": it is " + std::string(ToString(now)) +
                                        ", and only of a running task can this be asked; "
                                        "see 'berth describe " +
                                        task + "'"),
          Reason::kTaskNotRunning);
    }
  }
  if (row == nullptr || row->attempt.number == 0) {
    return Refuse(absl::FailedPreconditionError(
                      "task " + task +
                      ": it has not been placed yet, so there is nothing of it on any node; see "
                      "'berth explain " +
                      task + "'"),
                  command.act.empty() ? Reason::kOutputUnavailable : Reason::kTaskNotRunning);
  }
  const state::AttemptRow* attempt = nullptr;
  uint32_t number = command.object.attempt != 0 ? command.object.attempt : row->attempt.number;
  if (command.previous && number == 1) {
    return Refuse(
        absl::NotFoundError("task " + task + ": attempt 1 was its first, there is none before it"),
        Reason::kNotFound, "previous");
  }
  if (command.previous) --number;
  if (row->attempt.number == number) attempt = &row->attempt;
  for (const state::AttemptRow& past : row->past) {
    if (past.number == number) attempt = &past;
  }
  if (attempt == nullptr) {
    return Refuse(
        absl::NotFoundError("task " + task + ": it has no attempt " + std::to_string(number) +
                            "; its last is " + std::to_string(row->attempt.number)),
        Reason::kNotFound, "id");
  }
  if (command.must_run && attempt != &row->attempt) {
    return Refuse(absl::FailedPreconditionError(
                      "task " + task + ": attempt " + std::to_string(number) +
                      " has ended; the last is " + std::to_string(row->attempt.number)),
                  Reason::kTaskNotRunning);
  }
  if (!command.act.empty()) Audit(who, command.act, "task " + task, "ok");
  OutputReply reply;
  reply.node = attempt->node;
  reply.attempt = NameOf(*job, *key);
  reply.attempt.attempt = number;
  reply.ended = attempt->end != state::AttemptEnd::kNone;
  if (const Slot slot = state_->nodes().Find(attempt->node); slot != kNoSlot) {
    if (const state::NodeLink* link = state_->FindLink(slot)) reply.stream = link->stream;
  }
  return Answer(std::move(reply));
}

}  // namespace berth::scheduler
