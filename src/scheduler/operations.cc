// What operators and submitters ask of things that exist.
#include <string>
#include <utility>

#include "base/planted_fault.h"
#include "scheduler/turn.h"

namespace berth::scheduler {

using state::AttemptEnd;
using state::JobRow;
using state::Principal;
using state::TaskRow;
using state::TaskState;

Reply Turn::Do(const Principal& who, const state::Cancel& command) {
  if (!command.request_id.empty()) {
    if (const auto* first = state_->FindRequest(who.name, command.request_id)) {
      if (first->body_hash != command.body_hash) return RefuseReused(command.request_id);
      // Cancelling again is harmless: it goes through, and says how things stand now.
    } else {
      state_->PutRequest({.principal = who.name,
                          .request_id = command.request_id,
                          .body_hash = command.body_hash,
                          .epoch = state_->meta().epoch,
                          .answered_ms = now_ms_});
    }
  }
  CancelReply reply;
  for (const state::ObjectRef& object : command.objects) {
    reply.results.push_back(CancelOne(who, object, command.message));
  }
  return Answer(std::move(reply));
}

CancelReply::Result Turn::CancelOne(const Principal& who, const state::ObjectRef& object,
                                    const std::string& message) {
  if (VisibleJob(who, object.job) == nullptr) return {0, Reason::kNotFound};
  JobRow& job = *state_->FindJob(object.job);
  const std::string name = "job " + std::to_string(job.id.value);
  if (!who.is_operator && job.submitted_by != who.name) {
    Audit(who, "cancel", name, "refused", "it was submitted by " + job.submitted_by);
    return {0, Reason::kNotAllowed};
  }
  CancelReply::Result result;
  if (object.has_task) {
    std::string why;
    const auto key = ResolveTask(job, object, why);
    if (!key) return {0, Reason::kNotFound};
    // One that ended with the rest of its group needs no row to say so.
    if (state_->FindRow(*key) == nullptr && job.groups[key->group].rest != TaskState::kCancelled) {
      state_->Materialise(job, key->group, key->position);
    }
    if (state_->FindRow(*key) != nullptr && CancelTask(job, *key, message)) result.tasks = 1;
    SyncQueue(job, key->group);
  } else {
    for (uint32_t g = 0; g < job.groups.size(); ++g) {
      state::GroupRow& group = job.groups[g];
      for (const auto& [position, row] : group.rows) {
        if (CancelTask(job, {job.id, g, position}, message)) ++result.tasks;
      }
      if (group.rest != TaskState::kCancelled && group.rest_count() > 0) {
        const int64_t rest = group.rest_count();
        counters_.cancelled += static_cast<uint64_t>(rest);
        result.tasks += rest;
        state_->MoveRest(job, g, TaskState::kCancelled);
      }
      SyncQueue(job, g);
    }
  }
  if (result.tasks == 0) {
    result.reason = Reason::kAlreadyEnded;
  } else {
    Audit(who, "cancel", name, "ok", std::to_string(result.tasks) + " tasks; " + message);
  }
  FinishJobIfDone(job);
  return result;
}

bool Turn::CancelTask(JobRow& job, const TaskKey& key, const std::string& message) {
  TaskRow& row = state_->Row(key);
  if (state::IsTerminal(row.state)) return false;
  if (!state::HoldsResources(row.state)) {
    backing_off_.erase({row.not_before_ms, key});
    row.not_before_ms = 0;
    row.wish = AttemptEnd::kCancelled;
    ++counters_.cancelled;
    state_->Move(job, key, TaskState::kCancelled);
    return true;
  }
  // It stays on its node, and counts there, until the agent says that all of it is gone.
  row.wish = AttemptEnd::kCancelled;
  if (!message.empty()) row.attempt.message = message;
  if (row.state == TaskState::kStopping) {
    state_->TouchTask(key);
    return true;
  }
  state_->Move(job, key, TaskState::kStopping);
  row.stop_sequence = TakeSequence(row.slot);
  SendStop(job, key);
  if (BERTH_PLANTED(kFreeStoppingRoom)) {
    AttemptFinished(key, {.end = AttemptEnd::kCancelled, .reason = Reason::kCancelledByUser});
  }
  return true;
}

Reply Turn::Do(const Principal& who, const state::SetCordon& command) {
  const Slot slot = state_->nodes().Find(command.node);
  if (slot == kNoSlot) {
    return Refuse(absl::NotFoundError("node \"" + command.node +
                                      "\": there is none of that name; see 'berth get nodes'"),
                  Reason::kNotFound, "name");
  }
  const std::string action = command.cordoned ? "cordon" : "uncordon";
  if (!who.is_operator) {
    Audit(who, action, "node " + command.node, "refused");
    return Refuse(absl::PermissionDeniedError("node \"" + command.node + "\": " + who.name +
                                              " may not " + action + " it; operators may"),
                  Reason::kNotAllowed);
  }
  if (state_->nodes().cordoned().Test(slot) != command.cordoned) {
    state_->Link(slot).cordon_reason.clear();
    state_->SetCordoned(slot, command.cordoned);
    Audit(who, action, "node " + command.node, "ok");
  }
  return Answer(NodeReply{state_->ViewNode(slot)});
}

Reply Turn::Do(const Principal& who, const state::NoteSnapshot&) {
  if (!who.is_operator) {
    Audit(who, "save_snapshot", "cluster", "refused");
    return Refuse(absl::PermissionDeniedError("snapshot: " + who.name +
                                              " may not save one, since all users' scripts are in "
                                              "it; operators may"),
                  Reason::kNotAllowed);
  }
  Audit(who, "save_snapshot", "cluster", "ok");
  return Answer({});
}

}  // namespace berth::scheduler
