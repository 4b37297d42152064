#include "store/batch_encoder.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "store/change_log.h"
#include "store/record_codec.h"
#include "store/record_keys.h"

namespace berth::store {
namespace {

// Jobs of up to this many tasks are removed key by key; a range costs every later scan.
constexpr int64_t kMostSingleDeletes = 64;
// Remembered at once; a sheet that was forgotten is written again, which changes nothing.
constexpr size_t kMostSheets = 64;

// Gathers the ids that a batch changes.
class ChangedIds {
 public:
  void Note(const state::JobChange& change) { jobs_.insert(change.job.id); }
  void Note(const state::TaskChange& change) {
    tasks_.push_back({change.task.job, change.task.group, change.task.position});
  }
  void Note(const state::JobRemoval& change) {
    jobs_.erase(change.job);
    removed_jobs_.push_back({change.job, change.ns});
  }
  void Note(const state::NodeChange& change) { nodes_.insert(change.node.slot); }
  void Note(const state::NodeRemoval& change) {
    nodes_.erase(change.slot);
    removed_nodes_.push_back({change.slot, change.name});
  }
  template <typename Other>
  void Note(const Other&) {}

  ChangeLogEntry Take(uint64_t epoch) {
    std::sort(tasks_.begin(), tasks_.end());
    ChangeLogEntry entry;
    entry.epoch = epoch;
    entry.jobs.assign(jobs_.begin(), jobs_.end());
    for (const TaskKey& task : tasks_) Append(task, entry.tasks);
    entry.nodes.assign(nodes_.begin(), nodes_.end());
    entry.removed_jobs = std::move(removed_jobs_);
    entry.removed_nodes = std::move(removed_nodes_);
    return entry;
  }

 private:
  // REQUIRES: tasks come in rising order; repeated ones are skipped.
  void Append(const TaskKey& task, std::vector<TaskRun>& runs) const {
    const auto removed = [&](const RemovedJob& job) { return job.job == task.job; };
    if (std::any_of(removed_jobs_.begin(), removed_jobs_.end(), removed)) return;
    if (!runs.empty() && runs.back().job == task.job && runs.back().group == task.group) {
      TaskRun& run = runs.back();
      const uint32_t offset = task.position - run.first;
      if (offset < run.count) return;
      if (offset == run.count) {
        ++run.count;
        return;
      }
    }
    runs.push_back({.job = task.job, .group = task.group, .first = task.position, .count = 1});
  }

  std::set<JobId> jobs_;
  std::vector<TaskKey> tasks_;
  std::set<Slot> nodes_;
  std::vector<RemovedJob> removed_jobs_;
  std::vector<RemovedNode> removed_nodes_;
};

void Put(Record record, WriteBatch& writes) {
  writes.Put(record.table, std::move(record.key), std::move(record.value));
}

void RemoveTasks(const state::JobRemoval& removal, WriteBatch& writes) {
  if (removal.spec == nullptr || removal.spec->task_count() > kMostSingleDeletes) {
    writes.DeletePrefix(Table::kTasks, JobKey(removal.job));
    return;
  }
  for (uint32_t group = 0; group < removal.spec->groups.size(); ++group) {
    const auto count = static_cast<uint32_t>(removal.spec->groups[group].count());
    for (uint32_t position = 0; position < count; ++position) {
      writes.Delete(Table::kTasks, TaskRecordKey({removal.job, group, position}));
    }
  }
}

void RemoveFeatures(const state::JobRemoval& removal, WriteBatch& writes) {
  if (removal.spec == nullptr || removal.spec->groups.size() > kMostSingleDeletes / 8) {
    writes.DeletePrefix(Table::kFeatures, JobKey(removal.job));
    return;
  }
  for (uint32_t group = 0; group < removal.spec->groups.size(); ++group) {
    for (uint8_t part = 0; part < state::kFeatureParts; ++part) {
      writes.Delete(Table::kFeatures,
                    FeaturesKey(removal.job, group, static_cast<state::FeaturePart>(part)));
    }
  }
}

}  // namespace

BatchEncoder::BatchEncoder(const BatchEncoderOptions& options) : options_(options) {
  BERTH_CHECK(options.watch_history_epochs >= 1);
}

WriteBatch BatchEncoder::Encode(const state::ChangeBatch& batch) {
  WriteBatch writes;
  ChangedIds changed;
  uint32_t audits = 0;
  uint32_t histories = 0;
  const auto write = [&](const auto& change) {
    using Change = std::decay_t<decltype(change)>;
    changed.Note(change);
    if constexpr (std::is_same_v<Change, state::MetaChange>) {
      Put(store::Encode(change.meta), writes);
    } else if constexpr (std::is_same_v<Change, state::JobChange>) {
      if (change.durable) Put(store::Encode(change.job), writes);
    } else if constexpr (std::is_same_v<Change, state::TaskChange>) {
      const state::Decision* decision = change.task.row.decision.get();
      const bool has_sheet = decision != nullptr && decision->sheet != nullptr;
      Put(store::Encode(change.task,
                        has_sheet ? std::string_view(KeyOf(decision->sheet, writes)) : ""),
          writes);
    } else if constexpr (std::is_same_v<Change, state::JobRemoval>) {
      writes.Delete(Table::kJobs, JobKey(change.job));
      RemoveTasks(change, writes);
      RemoveFeatures(change, writes);
    } else if constexpr (std::is_same_v<Change, state::NodeChange>) {
      if (change.durable) Put(store::Encode(change.node), writes);
    } else if constexpr (std::is_same_v<Change, state::NodeRemoval>) {
      // The slot's next node must not inherit the conversation.
      writes.Delete(Table::kNodes, SlotKey(change.slot));
      writes.Delete(Table::kNodeLinks, SlotKey(change.slot));
    } else if constexpr (std::is_same_v<Change, state::NodeLinkChange>) {
      Put(store::Encode(change.link), writes);
    } else if constexpr (std::is_same_v<Change, state::RequestChange>) {
      Put(store::Encode(change.request), writes);
    } else if constexpr (std::is_same_v<Change, state::RequestRemoval>) {
      writes.Delete(Table::kRequests, PrincipalKey(change.principal, change.request_id));
    } else if constexpr (std::is_same_v<Change, state::BatchChange>) {
      Put(store::Encode(change.batch), writes);
    } else if constexpr (std::is_same_v<Change, state::BatchRemoval>) {
      writes.Delete(Table::kBatches, PrincipalKey(change.principal, change.batch_id));
    } else if constexpr (std::is_same_v<Change, state::AuditChange>) {
      Put(store::Encode({batch.epoch, audits++}, change.audit), writes);
    } else if constexpr (std::is_same_v<Change, state::HistoryChange>) {
      Put(store::Encode({batch.epoch, histories++}, MakeHistoryEntry(change.history)), writes);
    } else if constexpr (std::is_same_v<Change, state::BlobChange>) {
      writes.PutShared(Table::kBlobs, change.hash, change.content);
    } else if constexpr (std::is_same_v<Change, state::HintsChange> ||
                         std::is_same_v<Change, state::FeaturesChange>) {
      Put(store::Encode(change), writes);
    } else if constexpr (std::is_same_v<Change, state::FeatureStateChange>) {
      if (change.content != nullptr) {
        Put(store::Encode(change), writes);
      } else {
        writes.Delete(Table::kLearned, change.name);
      }
    } else {
      static_assert(std::is_same_v<Change, state::BlobRemoval>);
      writes.Delete(Table::kBlobs, change.hash);
    }
  };
  for (const state::Change& change : batch.changes) std::visit(write, change);
  Put(store::Encode(changed.Take(batch.epoch)), writes);
  TrimChangeLog(batch.epoch, writes);
  return writes;
}

const std::string& BatchEncoder::KeyOf(const std::shared_ptr<const state::ScoreSheet>& sheet,
                                       WriteBatch& writes) {
  if (const auto found = sheets_.find(sheet); found != sheets_.end()) return found->second;
  if (sheets_.size() >= kMostSheets) sheets_.clear();
  Record record = store::Encode(*sheet);
  const std::string& key = sheets_.emplace(sheet, record.key).first->second;
  Put(std::move(record), writes);
  return key;
}

void BatchEncoder::TrimChangeLog(uint64_t epoch, WriteBatch& writes) {
  const auto kept = static_cast<uint64_t>(options_.watch_history_epochs);
  if (epoch <= kept) return;
  const uint64_t last_to_go = epoch - kept;
  if (trimmed_) {
    writes.Delete(Table::kChangeLog, EpochKey(last_to_go));
  } else {
    writes.DeleteRange(Table::kChangeLog, EpochKey(0), EpochKey(last_to_go + 1));
    trimmed_ = true;
  }
}

}  // namespace berth::store
