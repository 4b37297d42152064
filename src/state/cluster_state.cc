#include "state/cluster_state.h"

#include <algorithm>

#include "base/check.h"
#include "base/planted_fault.h"
#include "base/sort_unique.h"
#include "state/generation.h"

namespace berth::state {
namespace {

template <typename T>
T& CountOf(CountByState<T>& counts, TaskState state) {
  return counts[static_cast<size_t>(state)];
}

}  // namespace

ClusterState::ClusterState(const ClusterMeta& meta, size_t watch_history_epochs)
    : meta_(meta), watch_history_epochs_(watch_history_epochs), nodes_(meta.seed) {}

// ---- jobs and tasks ----

JobRow* ClusterState::FindJob(JobId id) {
  const auto it = jobs_.find(id);
  return it == jobs_.end() ? nullptr : it->second.get();
}

const JobRow* ClusterState::FindJob(JobId id) const {
  const auto it = jobs_.find(id);
  return it == jobs_.end() ? nullptr : it->second.get();
}

bool ClusterState::HasJobIds() const { return meta_.next_job < kJobsPerGeneration; }

JobRow& ClusterState::AddJob(std::shared_ptr<const JobSpec> spec,
                             std::shared_ptr<const std::string> blob, std::vector<ShapeId> shapes,
                             const std::string& submitted_by, const RunAs& run_as, int64_t now_ms,
                             int64_t wall_ms) {
  BERTH_CHECK(shapes.size() == spec->groups.size());
  BERTH_CHECK(HasJobIds()) << "no job ids are left";
  const JobId id{meta_.generation * kJobsPerGeneration + meta_.next_job++};
  auto job = std::make_unique<JobRow>();
  job->id = id;
  job->submitted_by = submitted_by;
  job->run_as = run_as;
  job->submitted_unix_ms = wall_ms;
  job->queued_at_ms = now_ms;
  for (size_t i = 0; i < shapes.size(); ++i) {
    GroupRow group;
    group.shape = shapes[i];
    group.count = spec->groups[i].count();
    CountOf(job->counts, TaskState::kQueued) += static_cast<uint32_t>(group.count);
    CountOf(task_counts_, TaskState::kQueued) += group.count;
    job->groups.push_back(std::move(group));
  }
  if (++blob_users_[spec->blob] == 1) {
    journal_.push_back(BlobChange{spec->blob.Hex(), std::move(blob)});
  }
  job->spec = ShareNeeds(std::move(spec));
  TouchJob(id, true);
  return *jobs_.emplace(id, std::move(job)).first->second;
}

std::shared_ptr<const JobSpec> ClusterState::ShareNeeds(std::shared_ptr<const JobSpec> spec) {
  std::shared_ptr<JobSpec> changed;
  for (size_t i = 0; i < spec->groups.size(); ++i) {
    const SharedNeeds known = needs_.Acquire(spec->groups[i].needs);
    if (known.Is(spec->groups[i].needs)) continue;
    if (changed == nullptr) changed = std::make_shared<JobSpec>(*spec);
    changed->groups[i].needs = known;
  }
  return changed != nullptr ? changed : spec;
}

void ClusterState::RemoveJob(JobId id) {
  JobRow& job = *FindJob(id);
  BERTH_CHECK(job.ended()) << "job " << id.value << " is removed before its end";
  for (const GroupSpec& group : job.spec->groups) needs_.Release(group.needs);
  for (const GroupRow& group : job.groups) {
    requirements_.Release(group.shape, nodes_);
    for (const auto& [shape, apart] : group.apart) {
      for (int64_t i = 0; i < apart.rows; ++i) requirements_.Release(shape, nodes_);
    }
  }
  if (auto it = blob_users_.find(job.spec->blob); --it->second == 0) {
    journal_.push_back(BlobRemoval{it->first.Hex()});
    blob_users_.erase(it);
  }
  for (size_t i = 0; i < job.counts.size(); ++i) task_counts_[i] -= job.counts[i];
  removed_jobs_.emplace_back(id, job.spec);
  touched_jobs_.erase(id);
  std::erase_if(touched_tasks_, [id](const TaskKey& key) { return key.job == id; });
  jobs_.erase(id);
}

void ClusterState::Materialise(JobRow& job, uint32_t group_index, uint32_t position) {
  GroupRow& group = job.groups[group_index];
  BERTH_CHECK(position < group.count);
  const auto [it, is_new] = group.rows.try_emplace(position);
  if (!is_new) return;
  it->second.state = group.rest;
  const TaskKey key{job.id, group_index, position};
  if (group.rest == TaskState::kQueued && !IsHeldBack(key)) group.queued.insert(position);
  group.SkipRows();
  TouchTask(key);
}

bool ClusterState::IsHeldBack(const TaskKey& key) const {
  return held_back_.contains(key) && !BERTH_PLANTED(kPlaceBesideStray);
}

void ClusterState::SyncQueued(const TaskKey& key) {
  JobRow* job = FindJob(key.job);
  if (job == nullptr) return;
  GroupRow& group = job->groups[key.group];
  if (!group.rows.contains(key.position)) {
    // Only what differs from its group has a row.
    if (group.rest == TaskState::kQueued && IsHeldBack(key)) {
      Materialise(*job, key.group, key.position);
    }
    return;
  }
  const TaskRow& row = group.rows.at(key.position);
  absl::btree_set<uint32_t>& queued = group.QueuedOf(row);
  const bool may_be_placed =
      row.state == TaskState::kQueued && row.not_before_ms == 0 && !IsHeldBack(key);
  const bool changed =
      may_be_placed ? queued.insert(key.position).second : queued.erase(key.position) > 0;
  if (changed) TouchTask(key);
}

TaskRow& ClusterState::Row(const TaskKey& key) {
  return FindJob(key.job)->groups[key.group].rows.at(key.position);
}

const TaskRow* ClusterState::FindRow(const TaskKey& key) const {
  const JobRow* job = FindJob(key.job);
  if (job == nullptr || key.group >= job->groups.size()) return nullptr;
  const auto& rows = job->groups[key.group].rows;
  const auto it = rows.find(key.position);
  return it != rows.end() ? &it->second : nullptr;
}

void ClusterState::Move(JobRow& job, const TaskKey& key, TaskState to) {
  GroupRow& group = job.groups[key.group];
  TaskRow& row = group.rows.at(key.position);
  BERTH_CHECK(MayMove(row.state, to))
      << "task " << key.job.value << "." << key.group << "." << key.position << ": "
      << ToString(row.state) << " may not become " << ToString(to);
  const auto count = [&](auto& counts) {
    --CountOf(counts, row.state);
    ++CountOf(counts, to);
  };
  count(job.counts);
  count(task_counts_);
  if (row.state == TaskState::kQueued) group.QueuedOf(row).erase(key.position);
  row.state = to;
  TouchTask(key);
}

void ClusterState::MoveRest(JobRow& job, uint32_t group_index, TaskState to) {
  GroupRow& group = job.groups[group_index];
  BERTH_CHECK(MayMove(group.rest, to));
  const auto count = [&]<typename T>(CountByState<T>& counts) {
    CountOf(counts, group.rest) -= static_cast<T>(group.rest_count());
    CountOf(counts, to) += static_cast<T>(group.rest_count());
  };
  count(job.counts);
  count(task_counts_);
  group.rest = to;
  TouchJob(job.id, true);
}

bool ClusterState::SetMemory(JobRow& job, const TaskKey& key, int32_t mib) {
  GroupRow& group = job.groups[key.group];
  TaskRow& row = group.rows.at(key.position);
  BERTH_CHECK(!HoldsResources(row.state) || row.slot == kNoSlot);
  BERTH_CHECK(!group.QueuedOf(row).contains(key.position));
  if (!TakeOwnShape(job, key.group, row, mib)) return false;
  TouchTask(key);
  return true;
}

bool ClusterState::TakeOwnShape(JobRow& job, uint32_t group_index, TaskRow& row, int32_t mib) {
  GroupRow& group = job.groups[group_index];
  NeedsSpec needs = *job.spec->groups[group_index].needs;
  needs.requests.builtin[kMemory] = mib;
  // Everything else that it names is known, as its group's shape has it.
  const TaskRequirements& of_group = requirements_.Get(group.shape);
  const auto without_rules = requirements_.Acquire(needs, of_group.profile, nodes_, true,
                                                   {of_group.bound_by, of_group.has_data});
  if (!without_rules.ok()) return false;
  const ShapeId shape = requirements_.AcquireUnder(
      {of_group.terms, of_group.others_terms, of_group.counted_in}, *without_rules, nodes_);
  requirements_.Release(*without_rules, nodes_);
  if (row.own_shape) {
    const auto apart = group.apart.find(*row.own_shape);
    if (--apart->second.rows == 0) group.apart.erase(apart);
    requirements_.Release(*row.own_shape, nodes_);
  }
  row.own_shape = shape;
  row.memory_mib = mib;
  ++group.apart[shape].rows;
  return true;
}

void ClusterState::Hold(const JobRow& job, const TaskKey& key) {
  TaskRow& row = Row(key);
  nodes_.Allocate(row.slot, requirements_.Get(job.groups[key.group].ShapeAt(key.position)),
                  row.reservation);
  if (tasks_on_.size() <= row.slot) tasks_on_.resize(row.slot + 1);
  tasks_on_[row.slot].insert(key);
}

void ClusterState::LetGo(const JobRow& job, const TaskKey& key) {
  TaskRow& row = Row(key);
  nodes_.Release(row.slot, requirements_.Get(job.groups[key.group].ShapeAt(key.position)),
                 row.reservation);
  tasks_on_[row.slot].erase(key);
  row.slot = kNoSlot;
  row.reservation = {};
  TouchTask(key);
}

void ClusterState::TouchTask(const TaskKey& key) {
  touched_tasks_.push_back(key);
  TouchJob(key.job, false);
}

void ClusterState::TouchJob(JobId id, bool durable) {
  bool& noted = touched_jobs_[id];
  noted = noted || durable;
}

const std::set<TaskKey>& ClusterState::TasksOn(Slot slot) const {
  static const std::set<TaskKey> kNone;
  return slot < tasks_on_.size() ? tasks_on_[slot] : kNone;
}

const std::map<AgentAttempt, Stray>& ClusterState::StraysOn(Slot slot) const {
  static const std::map<AgentAttempt, Stray> kNone;
  const auto it = strays_.find(slot);
  return it == strays_.end() ? kNone : it->second;
}

void ClusterState::PutStray(Slot slot, const AttemptReport& report, int64_t wall_ms,
                            bool is_leaving) {
  const AttemptHolding& holding = report.holding;
  Stray stray{.holding = holding,
              .started = report.started,
              .since_unix_ms = wall_ms,
              .is_leaving = is_leaving,
              .shape = 0,
              .reservation = {}};
  NeedsSpec needs;
  needs.requests = holding.requests;
  auto shape = requirements_.Acquire(needs, 0, nodes_, true);
  if (!shape.ok()) {
    // There is no column left for a resource of it: then nobody here counts that resource.
    needs.requests.extended.clear();
    shape = requirements_.Acquire(needs, 0, nodes_, true);
  }
  BERTH_CHECK(shape.ok()) << shape.status().ToString();
  stray.shape = *shape;
  stray.reservation.devices.resize(holding.device_ids.size());
  const bool is_share = holding.device_share_milli > 0 && holding.device_share_milli < 1000;
  for (DeviceGrant& grant : stray.reservation.devices) {
    grant.share_milli = is_share ? static_cast<int16_t>(holding.device_share_milli) : int16_t{1000};
    grant.memory_mib = is_share ? holding.device_memory_mib : 0;
  }
  FindDevices(slot, stray);
  nodes_.Allocate(slot, requirements_.Get(stray.shape), stray.reservation);
  if (BERTH_PLANTED(kFreeStrayRoom)) {
    nodes_.Release(slot, requirements_.Get(stray.shape), stray.reservation);
  }
  touched_nodes_.emplace(slot, false);
  const bool is_new = strays_[slot].emplace(report.attempt, std::move(stray)).second;
  BERTH_CHECK(is_new) << "an attempt strays twice on one node";
  SetHoldsBack(slot, report.attempt, true);
}

std::optional<TaskKey> ClusterState::SetHoldsBack(Slot slot, const AgentAttempt& attempt,
                                                  bool holds_back) {
  Stray& stray = strays_.at(slot).at(attempt);
  const std::optional<TaskKey> key = holds_back ? TaskOf(attempt) : stray.holds_back;
  if (!key || stray.holds_back.has_value() == holds_back) return std::nullopt;
  if (holds_back) {
    stray.holds_back = key;
    held_back_[*key].emplace(slot, attempt);
  } else {
    stray.holds_back.reset();
    const auto strays = held_back_.find(*key);
    strays->second.erase({slot, attempt});
    if (strays->second.empty()) held_back_.erase(strays);
  }
  SyncQueued(*key);
  return key;
}

std::optional<TaskKey> ClusterState::TaskOf(const AgentAttempt& attempt) const {
  const JobRow* job = FindJob(attempt.job);
  if (job == nullptr || attempt.group >= job->groups.size()) return std::nullopt;
  const auto position = job->spec->groups[attempt.group].PositionOf(attempt.index);
  if (!position) return std::nullopt;
  return TaskKey{attempt.job, attempt.group, *position};
}

void ClusterState::StartStray(Slot slot, const AgentAttempt& attempt, const AttemptStart& start) {
  const auto on_node = strays_.find(slot);
  if (on_node == strays_.end()) return;
  const auto stray = on_node->second.find(attempt);
  if (stray != on_node->second.end()) stray->second.started = start;
}

void ClusterState::LeaveStray(Slot slot, const AgentAttempt& attempt) {
  strays_.at(slot).at(attempt).is_leaving = true;
  touched_nodes_.emplace(slot, false);
}

std::optional<TaskKey> ClusterState::DropStray(Slot slot, const AgentAttempt& attempt) {
  const auto on_node = strays_.find(slot);
  if (on_node == strays_.end()) return std::nullopt;
  const auto stray = on_node->second.find(attempt);
  if (stray == on_node->second.end()) return std::nullopt;
  const std::optional<TaskKey> held_back = SetHoldsBack(slot, attempt, false);
  if (!BERTH_PLANTED(kFreeStrayRoom)) {
    nodes_.Release(slot, requirements_.Get(stray->second.shape), stray->second.reservation);
  }
  requirements_.Release(stray->second.shape, nodes_);
  touched_nodes_.emplace(slot, false);
  on_node->second.erase(stray);
  if (on_node->second.empty()) strays_.erase(on_node);
  return held_back;
}

size_t ClusterState::quarantined() const {
  size_t count = 0;
  for (const auto& [slot, strays] : strays_) count += quarantined(slot);
  return count;
}

size_t ClusterState::quarantined(Slot slot) const {
  size_t count = 0;
  for (const auto& [attempt, stray] : StraysOn(slot)) count += stray.is_leaving ? 0 : 1;
  return count;
}

bool ClusterState::WasIssued(JobId id) const {
  return id.value / kJobsPerGeneration == meta_.generation &&
         id.value % kJobsPerGeneration < meta_.next_job;
}

TaskStatusView ClusterState::ViewTask(const JobRow& job, const TaskKey& key) const {
  const GroupRow& group = job.groups[key.group];
  TaskStatusView view;
  view.job = job.id;
  view.spec = job.spec;
  view.group = key.group;
  view.position = key.position;
  view.submitted_unix_ms = job.submitted_unix_ms;
  if (const auto it = group.rows.find(key.position); it != group.rows.end()) {
    view.row = it->second;
  } else {
    view.row.state = group.rest;
    view.row.epoch = job.epoch;
  }
  if (view.row.state == TaskState::kQueued) {
    if (const auto held = held_back_.find(key); held != held_back_.end()) {
      const auto& [slot, attempt] = *held->second.begin();
      const Stray& stray = strays_.at(slot).at(attempt);
      view.waits_for = Reason::kAttemptNotEnded;
      view.wait_message = "attempt " + StrayIdText(attempt, stray.holding) +
                          " of it has not ended on node \"" + nodes_.name(slot) + "\"";
      if (!stray.is_leaving) {
        view.wait_message += ", where it is in quarantine: see 'berth admin reconcile'";
      }
    } else if (group.settling) {
      view.waits_for = Reason::kRestoreSettling;
      view.wait_message =
          "the cluster was restored from a snapshot: nodes have yet to say what they run of it";
    } else if (view.row.not_before_ms != 0) {
      view.waits_for = Reason::kBackingOff;
      if (!view.row.attempt.message.empty()) {
        view.wait_message = "after its last attempt: " + view.row.attempt.message;
      }
    } else if (IsParked(group.ShapeAt(key.position))) {
      view.row.state = TaskState::kParked;
      view.waits_for = Reason::kNoNodeFitsNow;
    } else {
      view.waits_for = Reason::kWaitingForTurn;
    }
  }
  return view;
}

JobView ClusterState::ViewJob(const JobRow& job) const {
  JobView view;
  view.id = job.id;
  view.spec = job.spec;
  view.submitted_by = job.submitted_by;
  view.run_as = job.run_as;
  view.submitted_unix_ms = job.submitted_unix_ms;
  view.started_unix_ms = job.started_unix_ms;
  view.ended_unix_ms = job.ended_unix_ms;
  view.queued_at_ms = job.queued_at_ms;
  view.ended_at_ms = job.ended_at_ms;
  view.epoch = job.epoch;
  view.exit_code = job.exit_code;
  view.counts = job.Counts();
  for (const GroupRow& group : job.groups) {
    view.rest.push_back(group.rest);
    if (group.settling) continue;
    int64_t parked = IsParked(group.shape) ? group.pending_count() : 0;
    for (const auto& [shape, apart] : group.apart) {
      if (IsParked(shape)) parked += static_cast<int64_t>(apart.queued.size());
    }
    CountOf(view.counts, TaskState::kQueued) -= parked;
    CountOf(view.counts, TaskState::kParked) += parked;
  }
  return view;
}

// ---- nodes ----

const NodeLink* ClusterState::FindLink(Slot slot) const {
  const auto it = links_.find(slot);
  return it == links_.end() ? nullptr : &it->second;
}

absl::StatusOr<Slot> ClusterState::PutNode(const NodeSpec& spec, int64_t wall_ms) {
  const bool is_new = nodes_.Find(spec.name) == kNoSlot;
  const auto slot = nodes_.Put(spec);
  if (!slot.ok()) return slot;
  if (is_new) {
    links_[*slot] = NodeLink{};
    links_[*slot].registered_unix_ms = wall_ms;
    TouchLink(*slot);
  }
  meta_.rank_capacity = nodes_.rank_capacity();
  touched_nodes_[*slot] = true;
  for (const TaskKey& key : TasksOn(*slot)) {
    if (FindDevices(Row(key))) TouchTask(key);
  }
  if (const auto strays = strays_.find(*slot); strays != strays_.end()) {
    for (auto& [attempt, stray] : strays->second) FindDevices(*slot, stray);
  }
  return slot;
}

void ClusterState::FindDevices(Slot slot, Stray& stray) {
  for (size_t i = 0; i < stray.reservation.devices.size(); ++i) {
    stray.reservation.devices[i].device = nodes_.DevicePosition(slot, stray.holding.device_ids[i]);
  }
}

bool ClusterState::FindDevices(TaskRow& row) {
  bool moved = false;
  auto& grants = row.reservation.devices;
  BERTH_CHECK(grants.size() == row.attempt.device_ids.size());
  for (size_t i = 0; i < grants.size(); ++i) {
    const uint16_t position = nodes_.DevicePosition(row.slot, row.attempt.device_ids[i]);
    moved = moved || position != grants[i].device;
    grants[i].device = position;
  }
  return moved;
}

void ClusterState::SetReady(Slot slot, bool ready) {
  nodes_.SetReady(slot, ready);
  touched_nodes_.emplace(slot, false);
}

void ClusterState::SetCordoned(Slot slot, bool cordoned) {
  nodes_.SetCordoned(slot, cordoned);
  touched_nodes_[slot] = true;
}

NodeView ClusterState::ViewNode(Slot slot) const {
  NodeView view;
  view.spec = nodes_.spec_ptr(slot);
  view.slot = slot;
  view.generation = nodes_.generation(slot);
  view.ready = nodes_.ready().Test(slot);
  view.cordoned = nodes_.cordoned().Test(slot);
  for (ResourceIndex i = 0; i < kFirstExtended; ++i) {
    view.allocated.builtin[i] = nodes_.allocated(i)[slot];
  }
  for (ResourceIndex i = kFirstExtended; i < nodes_.resource_count(); ++i) {
    if (nodes_.allocated(i)[slot] != 0) {
      view.allocated.extended.emplace_back(ResourceName(nodes_.names(), i),
                                           nodes_.allocated(i)[slot]);
    }
  }
  view.devices.assign(nodes_.devices(slot).begin(), nodes_.devices(slot).end());
  view.tasks = nodes_.task_count(slot);
  view.quarantined = static_cast<int32_t>(quarantined(slot));
  if (const NodeLink* link = FindLink(slot)) {
    view.usage = link->usage;
    view.parts = link->parts;
    view.cordon_reason = link->cordon_reason;
    for (const auto& [peer, round_trip_us] : nodes_.latencies().From(slot)) {
      view.latencies.emplace_back(nodes_.name(peer), round_trip_us);
    }
    std::sort(view.latencies.begin(), view.latencies.end());
    view.clock_skew_ms = link->clock_skew_ms;
    view.registered_unix_ms = link->registered_unix_ms;
    view.epoch = link->epoch;
  }
  return view;
}

// ---- repeats and batches ----

const RequestView* ClusterState::FindRequest(const std::string& principal,
                                             const std::string& id) const {
  const auto it = requests_.find({principal, id});
  return it == requests_.end() ? nullptr : &it->second;
}

void ClusterState::PutRequest(RequestView request) {
  journal_.push_back(RequestChange{request});
  RestoreRequest(std::move(request));
}

void ClusterState::ExpireRequests(int64_t before_ms, size_t most) {
  for (; most > 0 && !request_ages_.empty() && request_ages_.begin()->first < before_ms; --most) {
    const RequestKey key = request_ages_.begin()->second;
    journal_.push_back(RequestRemoval{key.first, key.second});
    requests_.erase(key);
    request_ages_.erase(request_ages_.begin());
  }
  for (; most > 0 && !batch_ages_.empty() && batch_ages_.begin()->first < before_ms; --most) {
    const RequestKey key = batch_ages_.begin()->second;
    journal_.push_back(BatchRemoval{key.first, key.second});
    batches_.erase(key);
    batch_ages_.erase(batch_ages_.begin());
  }
}

int64_t ClusterState::BatchOffset(const std::string& principal, const std::string& batch_id) const {
  const auto it = batches_.find({principal, batch_id});
  return it == batches_.end() ? 0 : it->second.next_offset;
}

void ClusterState::PutBatch(BatchView batch) {
  journal_.push_back(BatchChange{batch});
  RestoreBatch(std::move(batch));
}

// ---- epochs ----

std::shared_ptr<const ChangeBatch> ClusterState::TakeChanges(int64_t now_ms) {
  if (!term_began_ && touched_jobs_.empty() && touched_tasks_.empty() && touched_nodes_.empty() &&
      touched_links_.empty() && removed_jobs_.empty() && journal_.empty()) {
    return nullptr;
  }
  const uint64_t epoch = ++meta_.epoch;
  meta_.now_ms = now_ms;
  base::SortUnique(touched_tasks_);

  auto batch = std::make_shared<ChangeBatch>();
  batch->epoch = epoch;
  batch->term = meta_.term;
  batch->changes.reserve(touched_tasks_.size() + touched_jobs_.size() + touched_nodes_.size() +
                         touched_links_.size() + removed_jobs_.size() + journal_.size() + 1);
  ChangeLogEntry log;
  log.epoch = epoch;

  batch->changes.push_back(MetaChange{meta_});
  if (BERTH_PLANTED(kReuseJobId)) std::get<MetaChange>(batch->changes.back()).meta.next_job = 1;
  for (Change& change : journal_) batch->changes.push_back(std::move(change));
  for (const auto& [slot, durable] : touched_nodes_) {
    links_[slot].epoch = epoch;
    batch->changes.push_back(NodeChange{ViewNode(slot), durable});
    log.nodes.push_back(slot);
  }
  for (const Slot slot : touched_links_) {
    const NodeLink& link = links_[slot];
    batch->changes.push_back(NodeLinkChange{
        NodeLinkView{slot, link.incarnation, link.next_sequence, link.fact_sequence}});
  }
  for (const auto& [id, durable] : touched_jobs_) {
    JobRow& job = *FindJob(id);
    job.epoch = epoch;
    batch->changes.push_back(JobChange{ViewJob(job), durable});
    log.jobs.push_back(id);
  }
  for (const TaskKey& key : touched_tasks_) {
    const JobRow& job = *FindJob(key.job);
    Row(key).epoch = epoch;
    batch->changes.push_back(TaskChange{ViewTask(job, key)});
  }
  log.tasks = std::move(touched_tasks_);
  for (const auto& [id, spec] : removed_jobs_) {
    batch->changes.push_back(JobRemoval{id, spec, spec->ns});
    if (!BERTH_PLANTED(kLoseTombstone)) log.removed_jobs.emplace_back(id, spec->ns);
  }

  change_log_.push_back(std::move(log));
  while (change_log_.size() > watch_history_epochs_) change_log_.pop_front();
  term_began_ = false;
  touched_jobs_.clear();
  touched_tasks_.clear();
  touched_nodes_.clear();
  touched_links_.clear();
  removed_jobs_.clear();
  journal_.clear();
  return batch;
}

std::optional<ChangeLogEntry> ClusterState::ChangedSince(uint64_t epoch) const {
  const uint64_t oldest = change_log_.empty() ? meta_.epoch : change_log_.front().epoch - 1;
  if (epoch < oldest || epoch > meta_.epoch) return std::nullopt;
  ChangeLogEntry all;
  all.epoch = meta_.epoch;
  // Epochs are consecutive, so the place of `epoch` in the log is known.
  for (size_t i = static_cast<size_t>(epoch - oldest); i < change_log_.size(); ++i) {
    const ChangeLogEntry& entry = change_log_[i];
    all.jobs.insert(all.jobs.end(), entry.jobs.begin(), entry.jobs.end());
    all.tasks.insert(all.tasks.end(), entry.tasks.begin(), entry.tasks.end());
    all.nodes.insert(all.nodes.end(), entry.nodes.begin(), entry.nodes.end());
    all.removed_jobs.insert(all.removed_jobs.end(), entry.removed_jobs.begin(),
                            entry.removed_jobs.end());
    all.removed_nodes.insert(all.removed_nodes.end(), entry.removed_nodes.begin(),
                             entry.removed_nodes.end());
  }
  for (const auto& [id, durable] : touched_jobs_) all.jobs.push_back(id);
  all.tasks.insert(all.tasks.end(), touched_tasks_.begin(), touched_tasks_.end());
  for (const auto& [slot, durable] : touched_nodes_) all.nodes.push_back(slot);
  for (const auto& [id, spec] : removed_jobs_) all.removed_jobs.emplace_back(id, spec->ns);
  base::SortUnique(all.jobs);
  base::SortUnique(all.tasks);
  base::SortUnique(all.nodes);
  return all;
}

// ---- recovery ----

absl::Status ClusterState::RestoreNode(const NodeView& node) {
  if (auto status = nodes_.Restore(node.slot, node.generation, *node.spec); !status.ok()) {
    return status;
  }
  if (node.cordoned) nodes_.SetCordoned(node.slot, true);
  NodeLink& link = links_[node.slot];
  link.cordon_reason = node.cordon_reason;
  link.registered_unix_ms = node.registered_unix_ms;
  link.epoch = node.epoch;
  return absl::OkStatus();
}

void ClusterState::RestoreLink(const NodeLinkView& view) {
  NodeLink& link = links_[view.slot];
  link.incarnation = view.incarnation;
  link.next_sequence = view.next_sequence;
  link.fact_sequence = view.fact_sequence;
}

JobRow& ClusterState::RestoreJob(const JobView& view, std::vector<ShapeId> shapes,
                                 const std::vector<GroupHints>& hints) {
  BERTH_CHECK(hints.empty() || hints.size() == shapes.size());
  auto job = std::make_unique<JobRow>();
  job->id = view.id;
  job->spec = ShareNeeds(view.spec);
  job->submitted_by = view.submitted_by;
  job->run_as = view.run_as;
  job->submitted_unix_ms = view.submitted_unix_ms;
  job->started_unix_ms = view.started_unix_ms;
  job->ended_unix_ms = view.ended_unix_ms;
  job->queued_at_ms = view.queued_at_ms;
  job->ended_at_ms = view.ended_at_ms;
  job->epoch = view.epoch;
  job->exit_code = view.exit_code;
  for (size_t i = 0; i < shapes.size(); ++i) {
    GroupRow group;
    group.shape = shapes[i];
    group.count = view.spec->groups[i].count();
    group.rest = view.rest[i];
    if (!hints.empty()) group.TakeHints(hints[i]);
    job->groups.push_back(std::move(group));
  }
  ++blob_users_[view.spec->blob];
  return *jobs_.emplace(view.id, std::move(job)).first->second;
}

absl::Status ClusterState::RestoreTask(const TaskStatusView& task) {
  JobRow* job = FindJob(task.job);
  const auto wrong = [&task](const std::string& what) {
    return absl::DataLossError("task " + std::to_string(task.job.value) + "." +
                               std::to_string(task.group) + " position " +
                               std::to_string(task.position) + ": " + what);
  };
  if (job == nullptr) return wrong("its job is not in the store");
  if (task.group >= job->groups.size() || task.position >= job->groups[task.group].count) {
    return wrong("its job has no such task");
  }
  GroupRow& group = job->groups[task.group];
  TaskRow& row = group.rows[task.position] = task.row;
  // Being parked is of the shape and of this process: after a restart everything gets a new try.
  if (row.state == TaskState::kParked) row.state = TaskState::kQueued;
  row.own_shape.reset();
  if (BERTH_PLANTED(kForgetGrowth)) row.memory_mib = 0;
  if (row.memory_mib != 0 && !TakeOwnShape(*job, task.group, row, row.memory_mib)) {
    return wrong("its memory of " + std::to_string(row.memory_mib) + " MiB cannot be counted");
  }
  if (HoldsResources(task.row.state)) {
    if (!nodes_.Holds(task.row.slot) ||
        nodes_.generation(task.row.slot) != task.row.slot_generation) {
      return wrong("it runs on slot " + std::to_string(task.row.slot) +
                   ", where its node is not registered");
    }
    if (row.reservation.devices.size() != row.attempt.device_ids.size()) {
      return wrong("it holds " + std::to_string(row.reservation.devices.size()) +
                   " devices and names " + std::to_string(row.attempt.device_ids.size()));
    }
    // By id: the positions are those of an inventory that may have changed since.
    FindDevices(row);
    Hold(*job, {task.job, task.group, task.position});
  }
  return absl::OkStatus();
}

void ClusterState::RestoreRequest(RequestView request) {
  RequestKey key{request.principal, request.request_id};
  request_ages_.emplace(request.answered_ms, key);
  requests_[std::move(key)] = std::move(request);
}

void ClusterState::RestoreBatch(BatchView batch) {
  RequestKey key{batch.principal, batch.batch_id};
  if (const auto it = batches_.find(key); it != batches_.end()) {
    batch_ages_.erase({it->second.touched_ms, key});
  }
  batch_ages_.emplace(batch.touched_ms, key);
  batches_[std::move(key)] = std::move(batch);
}

void ClusterState::RestoreChangeLog(std::deque<ChangeLogEntry> log) {
  change_log_ = std::move(log);
}

absl::Status ClusterState::FinishRestore() {
  for (const auto& [id, job] : jobs_) {
    if (!job->ended()) JoinTerms(*job);
  }
  for (const GroupKey& stale : TakeStaleGroups()) Reshape(*jobs_.at(stale.job), stale.group);
  for (const auto& [id, job] : jobs_) {
    job->counts = {};
    for (GroupRow& group : job->groups) {
      CountOf(job->counts, group.rest) += static_cast<uint32_t>(group.rest_count());
      for (const auto& [position, row] : group.rows) {
        CountOf(job->counts, row.state) += 1;
        if (row.state == TaskState::kQueued && row.not_before_ms == 0) {
          group.QueuedOf(row).insert(position);
        }
      }
      group.SkipRows();
    }
    for (size_t i = 0; i < job->counts.size(); ++i) task_counts_[i] += job->counts[i];
    if (id.value / kJobsPerGeneration == meta_.generation &&
        id.value % kJobsPerGeneration >= meta_.next_job) {
      return absl::DataLossError("job " + std::to_string(id.value) +
                                 ": its id is past the store's counter (" +
                                 std::to_string(meta_.next_job) + ")");
    }
  }
  return absl::OkStatus();
}

void ClusterState::BeginTerm() {
  ++meta_.term;
  term_began_ = true;
}

}  // namespace berth::state
