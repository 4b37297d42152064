// Values of state to records, and back. The messages are in proto/berth/store/v1/records.proto.
//
// The same value always gives the same bytes. Every function here is pure and may be called from
// any thread.
//
// Errors of decoding: DATA_LOSS for what is damaged, malformed or out of range; FAILED_PRECONDITION
// for a schema version that is not readable here. They name table and key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/sha256.h"
#include "state/changes.h"
#include "state/views.h"
#include "store/change_log.h"
#include "store/history_entry.h"
#include "store/record_keys.h"
#include "store/tables.h"

namespace berth::store {

struct Record {
  Table table = Table::kMeta;
  std::string key;
  std::string value;

  bool operator==(const Record&) const = default;
};

// ---- to records ----

Record Encode(const state::ClusterMeta& meta);
// REQUIRES: job.spec is not null; its blob is the reference that is kept.
Record Encode(const state::JobView& job);
Record Encode(const state::TaskStatusView& task);
// As above; `sheet_key` is the key of the decision's sheet, empty when it has none.
Record Encode(const state::TaskStatusView& task, std::string_view sheet_key);
// REQUIRES: node.spec is not null. What depends on tasks and connections is not kept.
Record Encode(const state::NodeView& node);
Record Encode(const state::NodeLinkView& link);
Record Encode(const state::RequestView& request);
Record Encode(const state::BatchView& batch);
Record Encode(const state::ScoreSheet& sheet);
Record Encode(const ChangeLogEntry& entry);
Record Encode(const JournalPosition& at, const state::AuditView& audit);
Record Encode(const JournalPosition& at, const HistoryEntry& entry);

Record Encode(const state::HintsChange& hints);
// REQUIRES: the content is not null, in both.
Record Encode(const state::FeaturesChange& features);
Record Encode(const state::FeatureStateChange& piece);

// ---- and back ----

// What stands for the specification: the record does not hold it.
struct JobRecordContent {
  state::JobView job;  // spec is null
  base::Sha256Digest spec_blob;
};
struct TaskRecordContent {
  state::TaskStatusView task;  // spec is null, and so is the decision's sheet
  std::string sheet;           // key of the sheet; empty: none
};
struct NodeRecordContent {
  state::NodeView node;  // spec is null
  std::string name;
  std::string agent_version;
  std::string inventory;
};

absl::StatusOr<state::ClusterMeta> DecodeMeta(std::string_view key, std::string_view value);
absl::StatusOr<JobRecordContent> DecodeJob(std::string_view key, std::string_view value);
absl::StatusOr<TaskRecordContent> DecodeTask(std::string_view key, std::string_view value);
absl::StatusOr<NodeRecordContent> DecodeNode(std::string_view key, std::string_view value);
absl::StatusOr<state::NodeLinkView> DecodeNodeLink(std::string_view key, std::string_view value);
absl::StatusOr<state::RequestView> DecodeRequest(std::string_view key, std::string_view value);
absl::StatusOr<state::BatchView> DecodeBatch(std::string_view key, std::string_view value);
absl::StatusOr<state::ScoreSheet> DecodeSheet(std::string_view key, std::string_view value);
absl::StatusOr<ChangeLogEntry> DecodeChangeLog(std::string_view key, std::string_view value);
absl::StatusOr<state::AuditView> DecodeAudit(std::string_view key, std::string_view value);
absl::StatusOr<HistoryEntry> DecodeHistory(std::string_view key, std::string_view value);
// REQUIRES: the key is one of FeaturePart::kHints.
absl::StatusOr<state::HintsChange> DecodeHints(std::string_view key, std::string_view value);
// Of any other part. An unknown part is none of this version's, and damaged.
absl::StatusOr<state::FeaturesChange> DecodeFeatures(std::string_view key, std::string_view value);
absl::StatusOr<state::FeatureStateChange> DecodeLearned(std::string_view key,
                                                        std::string_view value);

}  // namespace berth::store
