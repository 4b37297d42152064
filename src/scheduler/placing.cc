// Scheduling: what is queued gets its turn, is placed and bound, or parked.
#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/planted_fault.h"
#include "engine/run_plugins.h"
#include "pipeline/possible_nodes.h"
#include "scheduler/turn.h"
#include "state/generation.h"

namespace berth::scheduler {

using state::JobRow;
using state::TaskRow;
using state::TaskState;

queue::QueuedEntry Turn::EntryOf(const JobRow& job, uint32_t group) const {
  return {.key = job.groups[group].queue_key, .job = job.id, .group = group};
}

int64_t Turn::QueueKeyOf(const JobRow& job, uint32_t group) {
  const auto key = engine::SortKey(ProfileOf(job.groups[group].shape).profile.queue_sort(),
                                   {.job = job.id,
                                    .group = group,
                                    .priority = job.spec->priority,
                                    .queued_at_ms = job.queued_at_ms,
                                    .expected_ms = job.groups[group].expected_ms,
                                    .time_limit_ms = job.spec->groups[group].time_limit_ms});
  if (key.ok()) return *key;
  NotePluginError(key.status(), "the task is queued with the key 0");
  return 0;
}

void Turn::SyncQueue(const JobRow& job, uint32_t group) {
  const state::GroupRow& row = job.groups[group];
  const queue::QueuedEntry entry = EntryOf(job, group);
  SyncShape(row.shape, entry, row.HasPending());
  for (const auto& [shape, apart] : row.apart) {
    SyncShape(shape, entry, !row.settling && !apart.queued.empty());
  }
}

void Turn::SyncShape(state::ShapeId shape, const queue::QueuedEntry& entry, bool has_pending) {
  if (has_pending) {
    scoring_.Use(shape);
    queue_.Add(shape, entry);
  } else {
    queue_.Remove(shape, entry);
    // A shape that nobody waits for is not parked; its number may soon mean something else.
    if (!queue_.IsParked(shape)) {
      state_->SetParked(shape, false);
      parked_shapes_.Remove(shape);
    }
  }
}

void Turn::LeaveQueue(const JobRow& job, uint32_t group) {
  const state::GroupRow& row = job.groups[group];
  const queue::QueuedEntry entry = EntryOf(job, group);
  SyncShape(row.shape, entry, /*has_pending=*/false);
  for (const auto& [shape, apart] : row.apart) SyncShape(shape, entry, /*has_pending=*/false);
}

void Turn::SyncTerms() {
  for (const auto& [id, group] : state_->TakeStaleGroups()) {
    JobRow& job = *state_->FindJob(id);
    LeaveQueue(job, group);
    work_units_ += state_->Reshape(job, group);
    SyncQueue(job, group);
  }
  state_->DropUnusedTerms();
}

void Turn::SyncTask(const TaskKey& key) {
  state_->SyncQueued(key);
  if (const JobRow* job = state_->FindJob(key.job)) SyncQueue(*job, key.group);
}

void Turn::WakeParked() {
  for (const state::ShapeId shape : parked_shapes_.Wake()) {
    queue_.Wake(shape);
    state_->SetParked(shape, false);
  }
  work_units_ += parked_shapes_.TakeWork();
}

void Turn::WakeAllParked() {
  for (const state::ShapeId shape : queue_.WakeAll()) state_->SetParked(shape, false);
  parked_shapes_.Clear();
}

void Turn::Charge(const pipeline::Profile& profile, int64_t looks) {
  const size_t passes = profile.filters().size() + 2 * profile.scores().size() + 1;
  work_units_ += looks * static_cast<int64_t>(state_->nodes().size() * passes);
}

engine::ShapeKey Turn::KeyOf(state::ShapeId shape) const {
  return {shape, state_->requirements().serial(shape)};
}

absl::StatusOr<bool> Turn::MayEverFit(state::ShapeId shape, const TaskView& task) {
  const uint64_t changes = state_->nodes().static_changes().end();
  EverFits& known = ever_fits_[shape];
  if (known.shape == KeyOf(shape) && known.static_changes == changes) return known.may;
  const pipeline::Profile& profile = ProfileOf(shape).profile;
  Charge(profile, 1);
  const auto possible = pipeline::FindPossibleNodes(profile, task, state_->nodes(),
                                                    /*why_never=*/false);
  if (!possible.ok()) return possible.status();
  known = {KeyOf(shape), changes, possible->nodes.Any()};
  return known.may;
}

void Turn::Schedule(int64_t budget) {
  for (bool first = true; first || work_units_ < budget; first = false) {
    const auto head = queue_.Front();
    if (!head) return;
    JobRow& job = *state_->FindJob(head->entry.job);
    const uint32_t group = head->entry.group;
    const TaskKey key{job.id, group, job.groups[group].NextPending(head->shape)};
    const LoadedProfile& profile = ProfileOf(head->shape);
    TaskView view = ViewOf(head->shape, key);
    if (view.needs.has_data) view.data = *job.groups[group].data;

    auto placement = engine_.Place(profile.profile.placing(), KeyOf(head->shape), view);
    work_units_ += engine_.TakeWork();
    if (placement.ok() && IsCheckDue()) {
      placement = Check(profile, head->shape, view, *std::move(placement));
    }
    if (!placement.ok()) {
      // A plugin that cannot work: the shape rests until the retry timer, or until nodes change.
      NotePluginError(placement.status(), "the task waits and is tried again");
      Park(head->shape, job);
      retry_parked_at_ms_ = now_ms_ + kRetryAfterErrorMs;
    } else if (placement->slot == kNoSlot) {
      ++counters_.unschedulable;
      Park(head->shape, job);
    } else {
      ++counters_.scheduled;
      Bind(job, key, *placement);
    }
  }
}

void Turn::Park(state::ShapeId shape, JobRow& job) {
  queue_.Park(shape);
  parked_shapes_.Park(shape, ProfileOf(shape).profile.placing(), state_->requirements().Get(shape));
  state_->SetParked(shape, true);
  // Tells those who watch this job; the others of its shape are told when they are asked for.
  state_->TouchJob(job.id, false);
}

std::shared_ptr<const state::Decision> Turn::MakeDecision(
    const LoadedProfile& profile, const engine::Placement& placement) const {
  auto decision = std::make_shared<state::Decision>();
  decision->epoch = state_->next_epoch();
  decision->total = placement.total;
  decision->rank = state_->nodes().rank()[placement.slot];
  if (placement.runner_up != kNoSlot) {
    decision->runner_up = state_->nodes().name(placement.runner_up);
    decision->runner_up_total = placement.runner_up_total;
  }
  decision->nodes_feasible = placement.nodes_feasible;
  decision->scores.assign(
      placement.plugin_scores.begin(),
      placement.plugin_scores.begin() + static_cast<int64_t>(profile.sheet->plugins.size()));
  decision->sheet = profile.sheet;
  return decision;
}

void Turn::Bind(JobRow& job, const TaskKey& key, const engine::Placement& placement) {
  state_->Materialise(job, key.group, key.position);
  TaskRow& row = state_->Row(key);
  // Attempts of a task that came after a snapshot are not known after its restore, and their
  // numbers are never given again.
  uint32_t number =
      std::max(row.attempt.number, state_->meta().generation * state::kAttemptsPerGeneration) + 1;
  if (BERTH_PLANTED(kReuseAttemptNumber)) number = std::max(row.attempt.number, 1u);
  if (BERTH_PLANTED(kRepeatAttemptAtRestore)) number = row.attempt.number + 1;
  state::KeepAttempt(row);
  row.attempt = {};
  row.attempt.memory_mib = row.memory_mib;
  row.started_at_ms = 0;
  row.attempt.number = number;
  row.attempt.node = state_->nodes().name(placement.slot);
  row.attempt.bound_unix_ms = wall_ms_;
  row.attempt.device_ids = state_->nodes().DeviceIds(placement.slot, placement.reservation);
  row.wish = state::AttemptEnd::kNone;
  row.slot = placement.slot;
  row.slot_generation = state_->nodes().generation(placement.slot);
  row.reservation = placement.reservation;
  row.decision = MakeDecision(ProfileOf(job.groups[key.group].ShapeAt(key.position)), placement);
  row.start_sequence = TakeSequence(placement.slot);
  row.stop_sequence = 0;
  state_->Move(job, key, TaskState::kBound);
  state_->Hold(job, key);
  SyncQueue(job, key.group);
  SendStart(job, key);
}

}  // namespace berth::scheduler
