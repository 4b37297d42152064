// Attempts in quarantine: which there are, and what operators say is to become of them.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

using state::AgentAttempt;
using state::AttemptEnd;
using state::JobRow;
using state::ObjectRef;
using state::Principal;
using state::Stray;
using state::StrayAction;
using state::TaskRow;
using state::TaskState;

namespace {

// "12.3" of "12.3#2".
std::string TaskPart(const std::string& id) { return id.substr(0, id.rfind('#')); }

std::string TextOf(const ObjectRef& object) {
  std::string text = std::to_string(object.job.value);
  if (!object.has_task) return text;
  if (!object.group.empty()) text += "." + object.group;
  return text + "." + std::to_string(object.index);
}

// Names of attempts, as people give them: of a job, of a task, or their own.
class NamedAttempts {
 public:
  void Add(const std::string& id, const AgentAttempt& attempt) {
    names_.insert(std::to_string(attempt.job.value));
    names_.insert(TaskPart(id));
    names_.insert(id);
  }
  bool Has(const ObjectRef& object) const {
    const std::string text = TextOf(object);
    return names_.contains(object.attempt == 0 ? text
                                               : text + "#" + std::to_string(object.attempt));
  }

 private:
  std::set<std::string> names_;
};

// What a command asks about.
class Wanted {
 public:
  explicit Wanted(const std::vector<ObjectRef>& objects) : all_(objects.empty()) {
    for (const ObjectRef& object : objects) {
      std::string text = TextOf(object);
      if (object.attempt != 0) text += "#" + std::to_string(object.attempt);
      names_.insert(std::move(text));
    }
  }
  bool Has(const std::string& id, const AgentAttempt& attempt) const {
    return all_ || names_.contains(id) || names_.contains(TaskPart(id)) ||
           names_.contains(std::to_string(attempt.job.value));
  }

 private:
  const bool all_;
  std::set<std::string> names_;
};

}  // namespace

struct Turn::StraySurvey {
  // On the nodes that the command is about.
  NamedAttempts quarantined;
  NamedAttempts leaving;
  // Of each task the latest one in quarantine anywhere, with its node.
  std::map<std::tuple<JobId, uint32_t, uint32_t>, std::pair<uint32_t, std::string>> latest;
};

Turn::StraySurvey Turn::SurveyStrays(const std::string& only) const {
  StraySurvey survey;
  for (const auto& [node, slot] : state_->nodes().by_name()) {
    for (const auto& [attempt, stray] : state_->StraysOn(slot)) {
      if (only.empty() || node == only) {
        (stray.is_leaving ? survey.leaving : survey.quarantined)
            .Add(state::StrayIdText(attempt, stray.holding), attempt);
      }
      if (stray.is_leaving) continue;
      auto& latest = survey.latest[{attempt.job, attempt.group, attempt.index}];
      if (attempt.attempt > latest.first) latest = {attempt.attempt, std::string(node)};
    }
  }
  return survey;
}

Reply Turn::Do(const Principal& who, const state::SettleStrays& command) {
  if (!who.is_operator) {
    Audit(who, "reconcile", "attempts in quarantine", "refused");
    return Refuse(absl::PermissionDeniedError("attempts in quarantine: " + who.name +
                                              " may not list, kill or adopt them; operators may"),
                  Reason::kNotAllowed);
  }
  if (auto refused = RefuseOldPage(command.first_epoch)) return *std::move(refused);
  if (!command.node.empty() && state_->nodes().Find(command.node) == kNoSlot) {
    return Refuse(absl::NotFoundError("node \"" + command.node +
                                      "\": there is none of that name; see 'berth get nodes'"),
                  Reason::kNotFound, "node");
  }
  SettleReply reply;
  reply.first_epoch = command.first_epoch != 0 ? command.first_epoch : state_->meta().epoch;
  const StraySurvey survey = SurveyStrays(command.node);
  const bool is_first = !command.after;
  for (size_t i = 0; is_first && i < command.objects.size(); ++i) {
    if (!survey.quarantined.Has(command.objects[i])) {
      reply.results.push_back(ResultOfMissing(command, i, survey));
    }
  }

  const Wanted wanted(command.objects);
  const auto page = static_cast<size_t>(command.page_size);
  size_t found = 0;
  int looked_at = 0;
  const auto& by_name = state_->nodes().by_name();
  for (auto it = is_first ? by_name.begin() : by_name.lower_bound(command.after->node);
       it != by_name.end(); ++it) {
    const auto& [node, slot] = *it;
    if (!command.node.empty() && node != command.node) continue;
    const bool resumed = !is_first && node == command.after->node;
    // Settling takes them out of the table.
    const auto strays = state_->StraysOn(slot);
    for (auto at = resumed ? strays.upper_bound(command.after->attempt) : strays.begin();
         at != strays.end(); ++at) {
      const auto& [attempt, stray] = *at;
      const bool is_wanted =
          !stray.is_leaving && wanted.Has(state::StrayIdText(attempt, stray.holding), attempt);
      if (looked_at++ == kLooksPerPage || (is_wanted && found == page)) {
        reply.more = true;
        return Answer(std::move(reply));
      }
      reply.after = {std::string(node), attempt};
      if (!is_wanted) continue;
      ++found;
      reply.results.push_back(SettleOne(who, command.action, slot, attempt, survey));
    }
  }
  return Answer(std::move(reply));
}

SettleReply::Result Turn::ResultOfMissing(const state::SettleStrays& command, size_t object,
                                          const StraySurvey& survey) const {
  const ObjectRef& ref = command.objects[object];
  std::string name = TextOf(ref);
  if (ref.attempt != 0) name += "#" + std::to_string(ref.attempt);
  const std::string where = command.node.empty() ? "" : " on node \"" + command.node + "\"";
  SettleReply::Result result{.stray = {}, .object = object};
  if (survey.leaving.Has(ref)) {
    // Killing it once more is done already.
    const bool is_done = command.action == StrayAction::kKill;
    result.reason = is_done ? Reason::kNone : Reason::kAlreadyEnded;
    result.message = name + where + ": it has been told to end; its room is free when it has";
    return result;
  }
  result.reason = Reason::kNotFound;
  result.message = name + ": nothing of it is in quarantine" + where +
                   "; see 'berth admin reconcile' for what is";
  if (command.action == StrayAction::kKill && state_->FindJob(ref.job) != nullptr) {
    result.message +=
        ". What is known here is ended by 'berth cancel " + name.substr(0, name.find('#')) + "'";
  }
  return result;
}

SettleReply::Result Turn::SettleOne(const Principal& who, StrayAction action, Slot slot,
                                    const AgentAttempt& attempt, const StraySurvey& survey) {
  SettleReply::Result result;
  result.stray = ViewStray(slot, attempt);
  const std::string id = state::StrayIdText(attempt, result.stray->holding);
  const std::string object = "attempt " + id + " on node " + result.stray->node;
  const bool is_connected = state_->Link(slot).stream != 0;
  switch (action) {
    case StrayAction::kList:
      break;
    case StrayAction::kKill:
      Audit(who, "kill_quarantined", object, "ok", "job " + result.stray->holding.job_name);
      state_->LeaveStray(slot, attempt);
      if (is_connected) {
        Direct(slot, state::StopTask{TakeSequence(slot), attempt, AttemptEnd::kLost});
      } else {
        // Its next session finds it among those that are leaving.
        result.message = id + ": node \"" + result.stray->node +
                         "\" is not connected; it is told when that is back, unless berthd is "
                         "restarted meanwhile";
      }
      break;
    case StrayAction::kAdopt: {
      std::string why;
      result.reason = WhyNotAdopted(slot, attempt, survey, why);
      if (result.reason != Reason::kNone) {
        result.message = id + " on node \"" + result.stray->node + "\": " + why;
        Audit(who, "adopt_quarantined", object, "refused", result.message);
        break;
      }
      Audit(who, "adopt_quarantined", object, "ok", "job " + result.stray->holding.job_name);
      AdoptStray(slot, attempt);
      break;
    }
  }
  return result;
}

Reason Turn::WhyNotAdopted(Slot slot, const AgentAttempt& attempt, const StraySurvey& survey,
                           std::string& message) const {
  const Stray& stray = state_->StraysOn(slot).at(attempt);
  const std::string id = state::StrayIdText(attempt, stray.holding);
  const std::string end_it =
      "; let it end, or end it with 'berth admin reconcile --kill " + id + "'";
  const JobRow* job = state_->FindJob(attempt.job);
  const std::string job_name = "job " + std::to_string(attempt.job.value);
  if (job == nullptr) {
    message = job_name + " is not known here, so nothing is left of what it is" + end_it +
              ", and submit the job again with 'berth submit'";
    return Reason::kJobUnknown;
  }
  const auto key = state_->TaskOf(attempt);
  if (!key) {
    message = job_name + " has no such task here" + end_it;
    return Reason::kAttemptDiffers;
  }
  const std::string task =
      "task " + state::TaskIdText(job->id.value, *job->spec, key->group, key->position);
  const state::GroupRow& group = job->groups[key->group];
  const TaskRow* row = state_->FindRow(*key);
  const TaskState task_state = row != nullptr ? row->state : group.rest;
  if (state::IsTerminal(task_state)) {
    message = task + " has ended here: " + std::string(state::ToString(task_state)) + end_it;
    return Reason::kAlreadyEnded;
  }
  uint32_t latest = 0;
  if (row != nullptr) {
    latest = row->attempt.number;
    for (const state::AttemptRow& past : row->past) latest = std::max(latest, past.number);
  }
  if (task_state != TaskState::kQueued) {
    message = task + " is " + std::string(state::ToString(task_state));
    if (state::HoldsResources(task_state)) {
      message += " as attempt " + std::to_string(latest) + " on node \"" + row->attempt.node + "\"";
    }
    message += end_it;
    return Reason::kTaskNotWaiting;
  }
  if (attempt.attempt <= latest) {
    message = task + " has had attempt " + std::to_string(latest) + " since" + end_it;
    return Reason::kAttemptOutdated;
  }
  const auto& [number, node] = survey.latest.at({attempt.job, attempt.group, attempt.index});
  if (attempt.attempt < number) {
    message = "a later attempt, " + std::to_string(number) + ", is in quarantine on node \"" +
              node + "\": adopt that one" + end_it;
    return Reason::kAttemptOutdated;
  }
  const TaskRequirements& needs = state_->requirements().Get(group.ShapeAt(key->position));
  int64_t devices = 0;
  int32_t share_milli = 1000;
  for (const DeviceNeed& need : needs.devices) {
    devices += need.count;
    share_milli = need.share_milli;
  }
  const auto& grants = stray.reservation.devices;
  const bool same_devices = static_cast<int64_t>(grants.size()) == devices &&
                            (grants.empty() || grants[0].share_milli == share_milli);
  if (state_->requirements().Get(stray.shape).requests != needs.requests || !same_devices) {
    message = "it does not hold what " + task + " asks for" + end_it;
    return Reason::kAttemptDiffers;
  }
  // A silent node's attempts are given up in time, counted from when it was last heard.
  if (!state_->nodes().ready().Test(slot)) {
    message = "its node is not connected; adopt it when 'berth get nodes' shows the node ready";
    return Reason::kNodeNotReady;
  }
  return Reason::kNone;
}

void Turn::AdoptStray(Slot slot, const AgentAttempt& attempt) {
  const TaskKey key = *state_->TaskOf(attempt);
  const Stray stray = state_->StraysOn(slot).at(attempt);
  JobRow& job = *state_->FindJob(key.job);
  state_->DropStray(slot, attempt);
  state_->Materialise(job, key.group, key.position);
  TaskRow& row = state_->Row(key);
  backing_off_.erase({row.not_before_ms, key});
  row.not_before_ms = 0;
  state::KeepAttempt(row);
  row.attempt = {};
  row.attempt.memory_mib = row.memory_mib;
  row.started_at_ms = 0;
  row.attempt.number = attempt.attempt;
  row.attempt.node = state_->nodes().name(slot);
  row.attempt.bound_unix_ms = stray.started ? stray.started->unix_ms : wall_ms_;
  row.attempt.message = "adopted from quarantine";
  row.attempt.device_ids = stray.holding.device_ids;
  row.wish = AttemptEnd::kNone;
  row.slot = slot;
  row.slot_generation = state_->nodes().generation(slot);
  row.reservation = stray.reservation;
  row.decision.reset();  // it was placed in a timeline that is gone
  // Never sent: it is there. Should its agent lose it, it is lost.
  row.start_sequence = 0;
  row.stop_sequence = 0;
  state_->Move(job, key, TaskState::kBound);
  state_->Hold(job, key);
  SyncQueue(job, key.group);
  if (stray.started) {
    AttemptStarted(key, *stray.started);
  } else {
    state_->Move(job, key, TaskState::kStarting);
  }
}

state::StrayView Turn::ViewStray(Slot slot, const AgentAttempt& attempt) const {
  const Stray& stray = state_->StraysOn(slot).at(attempt);
  return {.node = state_->nodes().name(slot),
          .attempt = attempt,
          .holding = stray.holding,
          .started_unix_ms = stray.started ? stray.started->unix_ms : 0,
          .since_unix_ms = stray.since_unix_ms,
          .job_known = state_->FindJob(attempt.job) != nullptr};
}

}  // namespace berth::scheduler
