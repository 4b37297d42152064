#include "api/watch_queue.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/convert.h"
#include "base/check.h"

namespace berth::api {
namespace {

using state::JobChange;
using state::JobRemoval;
using state::NodeChange;
using state::NodeRemoval;
using state::TaskChange;

// Epoch that a view says it is of; removals come last of all that a catch-up has.
uint64_t EpochOf(const state::Change& change, uint64_t most) {
  uint64_t epoch = most;
  if (const auto* job = std::get_if<JobChange>(&change)) epoch = job->job.epoch;
  if (const auto* task = std::get_if<TaskChange>(&change)) epoch = task->task.row.epoch;
  if (const auto* node = std::get_if<NodeChange>(&change)) epoch = node->node.epoch;
  return std::min(epoch, most);
}

v1::WatchEvent EventOf(uint64_t epoch, const state::Change& change) {
  v1::WatchEvent event;
  event.set_epoch(epoch);
  if (const auto* job = std::get_if<JobChange>(&change)) {
    *event.mutable_job() = ToProto(job->job);
  } else if (const auto* task = std::get_if<TaskChange>(&change)) {
    *event.mutable_task() = ToProto(task->task);
  } else if (const auto* node = std::get_if<NodeChange>(&change)) {
    *event.mutable_node() = ToProto(node->node);
  } else if (const auto* gone = std::get_if<JobRemoval>(&change)) {
    event.mutable_deleted()->set_kind(v1::OBJECT_KIND_JOB);
    event.mutable_deleted()->set_id(std::to_string(gone->job.value));
  } else if (const auto* gone_node = std::get_if<NodeRemoval>(&change)) {
    event.mutable_deleted()->set_kind(v1::OBJECT_KIND_NODE);
    event.mutable_deleted()->set_id(gone_node->name);
  }
  return event;
}

}  // namespace

bool WatchFilter::Wants(const state::Change& change) const {
  const auto wants_job = [this](JobId id, const std::string& of_ns) {
    return (!job || *job == id) && principal.MaySee(of_ns) && (ns.empty() || ns == of_ns);
  };
  if (const auto* task = std::get_if<TaskChange>(&change)) {
    return tasks && wants_job(task->task.job, task->task.spec->ns);
  }
  if (const auto* changed = std::get_if<JobChange>(&change)) {
    return jobs && wants_job(changed->job.id, changed->job.spec->ns);
  }
  // A job goes with all its tasks: who watches tasks hears it once.
  if (const auto* gone = std::get_if<JobRemoval>(&change)) {
    return (jobs || tasks) && wants_job(gone->job, gone->ns);
  }
  if (std::holds_alternative<NodeChange>(change) || std::holds_alternative<NodeRemoval>(change)) {
    return nodes && !job;
  }
  return false;
}

std::optional<WatchQueue::ObjectKey> WatchQueue::KeyOf(const state::Change& change) {
  if (const auto* job = std::get_if<JobChange>(&change)) {
    return ObjectKey(v1::OBJECT_KIND_JOB, TaskKey{job->job.id, 0, 0}, "");
  }
  if (const auto* gone = std::get_if<JobRemoval>(&change)) {
    return ObjectKey(v1::OBJECT_KIND_JOB, TaskKey{gone->job, 0, 0}, "");
  }
  if (const auto* task = std::get_if<TaskChange>(&change)) {
    return ObjectKey(v1::OBJECT_KIND_TASK,
                     TaskKey{task->task.job, task->task.group, task->task.position}, "");
  }
  if (const auto* node = std::get_if<NodeChange>(&change)) {
    return ObjectKey(v1::OBJECT_KIND_NODE, TaskKey{}, node->node.spec->name);
  }
  if (const auto* gone = std::get_if<NodeRemoval>(&change)) {
    return ObjectKey(v1::OBJECT_KIND_NODE, TaskKey{}, gone->name);
  }
  return std::nullopt;
}

void WatchQueue::Put(uint64_t epoch, std::shared_ptr<const state::Change> change) {
  auto key = KeyOf(*change);
  if (!key) return;
  const auto [found, is_new] = by_key_.try_emplace(*key, entries_.end());
  if (is_new) {
    entries_.push_back({epoch, *std::move(key), std::move(change)});
    found->second = std::prev(entries_.end());
    return;
  }
  found->second->epoch = epoch;
  found->second->change = std::move(change);
  entries_.splice(entries_.end(), entries_, found->second);
}

void WatchQueue::AddCatchUp(std::vector<state::Change> changes, uint64_t epoch) {
  BERTH_CHECK(epoch >= epoch_) << "a catch-up to epoch " << epoch << " after " << epoch_;
  std::stable_sort(changes.begin(), changes.end(),
                   [epoch](const state::Change& a, const state::Change& b) {
                     return EpochOf(a, epoch) < EpochOf(b, epoch);
                   });
  const auto kept = std::make_shared<const std::vector<state::Change>>(std::move(changes));
  for (const state::Change& change : *kept) {
    if (filter_.Wants(change)) {
      Put(EpochOf(change, epoch), std::shared_ptr<const state::Change>(kept, &change));
    }
  }
  epoch_ = epoch;
  if (entries_.empty()) taken_epoch_ = epoch;
}

void WatchQueue::AddBatch(const std::shared_ptr<const state::ChangeBatch>& batch) {
  if (batch->epoch <= epoch_) return;
  for (const state::Change& change : batch->changes) {
    if (filter_.Wants(change)) {
      Put(batch->epoch, std::shared_ptr<const state::Change>(batch, &change));
    }
  }
  epoch_ = batch->epoch;
}

void WatchQueue::Take(size_t most_bytes, v1::WatchResponse& response) {
  size_t bytes = 0;
  while (!entries_.empty() && bytes < most_bytes) {
    const Entry& entry = entries_.front();
    v1::WatchEvent& event = *response.add_events();
    event = EventOf(entry.epoch, *entry.change);
    bytes += event.ByteSizeLong();
    by_key_.erase(entry.key);
    entries_.pop_front();
  }
  // What is left is of the first entry's epoch or later; of that epoch some may have been taken.
  taken_epoch_ = entries_.empty() ? epoch_ : entries_.front().epoch - 1;
  response.set_epoch(taken_epoch_);
}

}  // namespace berth::api
