#include "store/recover.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "state/needs_pool.h"
#include "store/commit_check.h"
#include "store/record_codec.h"
#include "store/record_frame.h"
#include "store/record_keys.h"

namespace berth::store {
namespace {

// Reads tables one after the other, each one needing those before. Any error ends it.
class Recovery {
 public:
  Recovery(const StateStore& store, const SpecDecoders& decoders)
      : store_(store), decoders_(decoders) {}

  absl::StatusOr<RecoveredState> Run() {
    found_.head = store_.head();
    BERTH_RETURN_IF_ERROR(ReadMeta());
    BERTH_RETURN_IF_ERROR(ReadJobs());
    BERTH_RETURN_IF_ERROR(ReadSpecs());
    BERTH_RETURN_IF_ERROR(ReadNodes());
    BERTH_RETURN_IF_ERROR(ReadLinks());
    BERTH_RETURN_IF_ERROR(ReadSheets());
    BERTH_RETURN_IF_ERROR(ReadTasks());
    BERTH_RETURN_IF_ERROR(ReadHints());
    BERTH_RETURN_IF_ERROR(ReadInto(Table::kRequests, DecodeRequest, found_.requests));
    BERTH_RETURN_IF_ERROR(ReadInto(Table::kBatches, DecodeBatch, found_.batches));
    BERTH_RETURN_IF_ERROR(ReadChangeLog());
    return std::move(found_);
  }

 private:
  // Decodes each record of a table and hands it to `take`.
  template <typename Decode, typename Take>
  absl::Status ReadEach(Table table, Decode decode, Take take) {
    absl::Status status;
    BERTH_RETURN_IF_ERROR(store_.Scan(table, [&](std::string_view key, std::string_view value) {
      auto content = decode(key, value);
      status = content.ok() ? take(key, *std::move(content)) : content.status();
      return status.ok();
    }));
    return status;
  }

  template <typename Decode, typename Value>
  absl::Status ReadInto(Table table, Decode decode, std::vector<Value>& values) {
    return ReadEach(table, decode, [&](std::string_view, Value value) {
      values.push_back(std::move(value));
      return absl::OkStatus();
    });
  }

  absl::Status ReadMeta() {
    bool seen = false;
    BERTH_RETURN_IF_ERROR(
        ReadEach(Table::kMeta, DecodeMeta, [&](std::string_view, state::ClusterMeta meta) {
          found_.meta = std::move(meta);
          seen = true;
          return absl::OkStatus();
        }));
    if (!seen) {
      if (found_.head.epoch != 0) {
        return RecordDamaged(Table::kMeta, kMetaKey, "it is gone");
      }
      found_.meta.cluster_id = store_.cluster_id();
      return absl::OkStatus();
    }
    if (found_.meta.cluster_id != store_.cluster_id()) {
      return RecordDamaged(Table::kMeta, kMetaKey,
                           "the database is of cluster " + found_.meta.cluster_id +
                               ", its directory of cluster " + store_.cluster_id() +
                               ": they do not belong together");
    }
    if (found_.meta.epoch > found_.head.epoch || found_.meta.term > found_.head.term) {
      return RecordDamaged(
          Table::kMeta, kMetaKey,
          "it is of epoch " + std::to_string(found_.meta.epoch) + ", term " +
              std::to_string(found_.meta.term) + ", and the last commit of epoch " +
              std::to_string(found_.head.epoch) + ", term " + std::to_string(found_.head.term));
    }
    // Batches that change none of the cluster's numbers do not write the record.
    found_.meta.epoch = found_.head.epoch;
    found_.meta.term = found_.head.term;
    return absl::OkStatus();
  }

  absl::Status ReadJobs() {
    return ReadEach(Table::kJobs, DecodeJob, [&](std::string_view, JobRecordContent content) {
      specs_wanted_.emplace_back(content.spec_blob, found_.jobs.size());
      found_.jobs.push_back({.job = std::move(content.job), .tasks = {}});
      return absl::OkStatus();
    });
  }

  // In the order of the blobs, one pass: to look each one up would cost several times as much.
  absl::Status ReadSpecs() {
    std::sort(specs_wanted_.begin(), specs_wanted_.end());
    auto wanted = specs_wanted_.begin();
    absl::Status status;
    const auto visit = [&](std::string_view hash, std::string_view blob) {
      const auto address = base::Sha256Digest::FromHex(hash);
      if (!address) return true;  // nobody can want it
      if (wanted == specs_wanted_.end() || wanted->first < *address) return false;
      if (wanted->first > *address) return true;
      const auto spec = DecodeSpec(*address, blob, found_.jobs[wanted->second].job.id);
      status = spec.status();
      for (; status.ok() && wanted != specs_wanted_.end() && wanted->first == *address; ++wanted) {
        status = SetSpec(*spec, found_.jobs[wanted->second].job);
      }
      return status.ok();
    };
    BERTH_RETURN_IF_ERROR(store_.Scan(Table::kBlobs, visit));
    BERTH_RETURN_IF_ERROR(status);
    if (wanted != specs_wanted_.end()) {
      return RecordDamaged(Table::kJobs, JobKey(found_.jobs[wanted->second].job.id),
                           "its specification, blob " + wanted->first.Hex() + ", is gone");
    }
    specs_wanted_ = {};
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const state::JobSpec>> DecodeSpec(
      const base::Sha256Digest& address, std::string_view blob, JobId user) {
    if (base::Sha256Of(blob) != address) return BlobDamaged(address.Hex());
    absl::StatusOr<state::JobSpec> spec = decoders_.job(blob);
    if (!spec.ok()) {
      return RecordDamaged(Table::kBlobs, address.Hex(),
                           "the specification of job " + std::to_string(user.value) +
                               " cannot be read: " + base::S(spec.status().message()));
    }
    spec->blob = address;
    for (state::GroupSpec& group : spec->groups) group.needs = needs_.Acquire(group.needs);
    return std::make_shared<const state::JobSpec>(*std::move(spec));
  }

  static absl::Status SetSpec(const std::shared_ptr<const state::JobSpec>& spec,
                              state::JobView& job) {
    if (job.rest.size() != spec->groups.size()) {
      return RecordDamaged(Table::kJobs, JobKey(job.id),
                           "it speaks of " + std::to_string(job.rest.size()) +
                               " groups, its specification has " +
                               std::to_string(spec->groups.size()));
    }
    job.spec = spec;
    return absl::OkStatus();
  }

  absl::Status ReadNodes() {
    std::map<std::string, Slot> slots;
    const auto take = [&](std::string_view key, NodeRecordContent content) {
      const auto [other, is_new] = slots.emplace(content.name, content.node.slot);
      if (is_new) return AddNode(key, std::move(content));
      return RecordDamaged(Table::kNodes, key,
                           "slot " + std::to_string(other->second) +
                               " holds a node of the same name, \"" + content.name + "\"");
    };
    return ReadEach(Table::kNodes, DecodeNode, take);
  }

  absl::Status AddNode(std::string_view key, NodeRecordContent content) {
    absl::StatusOr<state::NodeSpec> spec = decoders_.node(content.inventory);
    if (!spec.ok()) {
      return RecordDamaged(Table::kNodes, key,
                           "the inventory of node \"" + content.name +
                               "\" cannot be read: " + base::S(spec.status().message()));
    }
    spec->name = std::move(content.name);
    spec->agent_version = std::move(content.agent_version);
    spec->encoded_inventory = std::make_shared<const std::string>(std::move(content.inventory));
    content.node.spec = std::make_shared<const state::NodeSpec>(*std::move(spec));
    generations_[content.node.slot] = content.node.generation;
    found_.nodes.push_back(std::move(content.node));
    return absl::OkStatus();
  }

  absl::Status ReadLinks() {
    return ReadEach(Table::kNodeLinks, DecodeNodeLink,
                    [&](std::string_view key, state::NodeLinkView link) {
                      if (generations_.count(link.slot) == 0) {
                        return RecordDamaged(Table::kNodeLinks, key, "the slot holds no node");
                      }
                      found_.links.push_back(std::move(link));
                      return absl::OkStatus();
                    });
  }

  absl::Status ReadSheets() {
    return ReadEach(
        Table::kSheets, DecodeSheet, [&](std::string_view key, state::ScoreSheet sheet) {
          sheets_[std::string(key)] = std::make_shared<const state::ScoreSheet>(std::move(sheet));
          return absl::OkStatus();
        });
  }

  absl::Status ReadTasks() {
    // Tasks and jobs come in the same order.
    auto job = found_.jobs.begin();
    const auto take = [&](std::string_view key, TaskRecordContent content) {
      while (job != found_.jobs.end() && job->job.id < content.task.job) ++job;
      if (job == found_.jobs.end() || job->job.id != content.task.job) {
        return RecordDamaged(Table::kTasks, key, "its job is gone");
      }
      return AddTask(key, std::move(content), *job);
    };
    return ReadEach(Table::kTasks, DecodeTask, take);
  }

  absl::Status AddTask(std::string_view key, TaskRecordContent content, RecoveredJob& job) {
    state::TaskStatusView& task = content.task;
    const state::JobSpec& spec = *job.job.spec;
    if (task.group >= spec.groups.size() || task.position >= spec.groups[task.group].count()) {
      return RecordDamaged(Table::kTasks, key, "its job's specification has no such task");
    }
    const auto damaged = [&](const std::string& what) {
      const std::string id = TaskIdText(task.job.value, spec, task.group, task.position);
      return RecordDamaged(Table::kTasks, key, "task " + id + ": " + what);
    };
    if (task.row.slot != kNoSlot) {
      const auto node = generations_.find(task.row.slot);
      if (node == generations_.end() || node->second != task.row.slot_generation) {
        return damaged("it is placed on slot " + std::to_string(task.row.slot) + ", generation " +
                       std::to_string(task.row.slot_generation) + ", which holds no such node");
      }
    }
    if (!content.sheet.empty()) {
      const auto sheet = sheets_.find(content.sheet);
      if (sheet == sheets_.end()) return damaged("the sheet of its scores is gone");
      state::Decision decision = *task.row.decision;
      decision.sheet = sheet->second;
      task.row.decision = std::make_shared<const state::Decision>(std::move(decision));
    }
    task.spec = job.job.spec;
    job.tasks.push_back(std::move(task));
    return absl::OkStatus();
  }

  absl::Status ReadHints() {
    auto job = found_.jobs.begin();
    absl::Status status;
    const auto visit = [&](std::string_view key, std::string_view value) {
      const auto place = ParseFeaturesKey(key);
      if (place && place->part != state::FeaturePart::kHints) return true;
      absl::StatusOr<state::HintsChange> hints = DecodeHints(key, value);
      if (!hints.ok()) {
        status = hints.status();
        return false;
      }
      while (job != found_.jobs.end() && job->job.id < hints->job) ++job;
      if (job == found_.jobs.end() || job->job.id != hints->job ||
          hints->group >= job->job.spec->groups.size()) {
        status = RecordDamaged(Table::kFeatures, key, "its job has no such group");
        return false;
      }
      job->hints.resize(job->job.spec->groups.size());
      job->hints[hints->group] = std::move(hints->hints);
      return true;
    };
    BERTH_RETURN_IF_ERROR(store_.Scan(Table::kFeatures, visit));
    return status;
  }

  absl::Status ReadChangeLog() {
    BERTH_RETURN_IF_ERROR(ReadInto(Table::kChangeLog, DecodeChangeLog, found_.change_log));
    const std::vector<ChangeLogEntry>& log = found_.change_log;
    for (size_t i = 1; i < log.size(); ++i) {
      if (log[i].epoch != log[i - 1].epoch + 1) {
        return RecordDamaged(Table::kChangeLog, EpochKey(log[i - 1].epoch + 1), "it is gone");
      }
    }
    const uint64_t last = log.empty() ? 0 : log.back().epoch;
    if (last != found_.head.epoch) {
      return RecordDamaged(Table::kChangeLog, EpochKey(found_.head.epoch),
                           "the log ends at epoch " + std::to_string(last));
    }
    return absl::OkStatus();
  }

  const StateStore& store_;
  const SpecDecoders& decoders_;
  RecoveredState found_;
  state::NeedsPool needs_;
  // Addresses of blobs, and places in found_.jobs.
  std::vector<std::pair<base::Sha256Digest, size_t>> specs_wanted_;
  std::map<Slot, uint32_t> generations_;
  std::map<std::string, std::shared_ptr<const state::ScoreSheet>> sheets_;
};

// The store's own errors say where and what to do already.
absl::Status NameTheWayOn(const absl::Status& status, const std::string& place) {
  const std::string what = base::S(status.message());
  if (what.find("data directory") != std::string::npos) return status;
  if (absl::IsDataLoss(status)) {
    return absl::DataLossError(
        "data directory \"" + place + "\": " + what +
        "; berthd does not start on damaged state, because what it would do then cannot be known. "
        "Restore a snapshot: berth admin snapshot restore FILE --data-dir " +
        place +
        " (berthd's own are in snapshots in it, unless `snapshots.directory` says otherwise; this "
        "state is moved aside), or put a backup of the whole directory in its place; this version "
        "has no option to set a single record aside. To start an empty cluster, set another "
        "dataDir");
  }
  if (absl::IsFailedPrecondition(status)) {
    return absl::FailedPreconditionError(
        "data directory \"" + place + "\": " + what +
        "; start it with the berthd that wrote it, or put a backup of the directory in its place");
  }
  return status;
}

}  // namespace

absl::StatusOr<RecoveredState> Recover(const StateStore& store, const SpecDecoders& decoders) {
  absl::StatusOr<RecoveredState> found = Recovery(store, decoders).Run();
  if (!found.ok()) return NameTheWayOn(found.status(), store.place());
  return found;
}

}  // namespace berth::store
