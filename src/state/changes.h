// What a turn changed: the content of one batch for the store, and of one epoch for watchers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "berth/ids.h"
#include "state/group_hints.h"
#include "state/views.h"

namespace berth::state {

// Numbers by which the cluster goes on where it was.
struct ClusterMeta {
  std::string cluster_id;       // uuid, drawn when the data directory was made
  uint32_t generation = 0;      // restore generation
  uint64_t term = 0;            // leader term; rises at each start of berthd
  uint64_t epoch = 0;           // last committed
  int64_t now_ms = 0;           // the loop's monotonic time
  uint64_t next_job = 1;        // counter of job ids
  uint64_t seed = 0;            // of ranks
  uint32_t rank_capacity = 64;  // slots that ranks are drawn over
  // It was restored, and nodes may run attempts of its tasks that came after the snapshot.
  bool settling = false;

  bool operator==(const ClusterMeta&) const = default;
};

// What the daemon knows of its conversation with a node's agent.
struct NodeLinkView {
  Slot slot = kNoSlot;
  std::string incarnation;     // uuid of the agent's journal
  uint64_t next_sequence = 1;  // of the next directive to this incarnation
  uint64_t fact_sequence = 0;  // facts up to here are applied
};

// The first answer to a request_id, for repeats.
struct RequestView {
  std::string principal;
  std::string request_id;
  std::string body_hash;    // SHA-256 in hexadecimal
  JobId job;                // what it made; 0: nothing
  int64_t tasks = 0;        // of that job
  uint64_t epoch = 0;       // that the answer showed: a watch from there misses nothing of the job
  int64_t answered_ms = 0;  // loop time
};

// How far a batch of submissions has come.
struct BatchView {
  std::string principal;
  std::string batch_id;
  int64_t next_offset = 0;
  int64_t touched_ms = 0;  // loop time
};

// Who did what. One for each mutation, in the batch of that mutation.
struct AuditView {
  int64_t unix_ms = 0;
  std::string principal;
  std::string action;   // "submit_job", "cancel", "set_cordon", ...
  std::string object;   // "job 12", "node n7"
  std::string outcome;  // "ok" or a reason's name
  std::string detail;
};

// What an attempt asked for and used. Written once, when it ends; a journal, never changed.
struct HistoryView {
  JobId job;
  std::shared_ptr<const JobSpec> spec;
  std::string user;
  uint32_t group = 0;
  uint32_t position = 0;
  AttemptRow attempt;
  int64_t submitted_unix_ms = 0;
};

// Parts in which features of a group are kept. Numbers are on disk.
enum class FeaturePart : uint8_t {
  kHints = 0,       // the loop's own: GroupHints
  kAdmission = 1,   // what was read when the job was submitted
  kModel = 2,       // what a model said later
  kCorrection = 3,  // what an operator says is right
  kRating = 4,      // what its owner says of how it went
};
inline constexpr size_t kFeatureParts = 5;

// ---- entries of a batch ----

struct MetaChange {
  ClusterMeta meta;
};
struct JobChange {
  JobView job;
  bool durable = true;  // false: only counts or times changed, which recovery derives again
};
struct TaskChange {
  TaskStatusView task;
};
// A job, its tasks, their past and its requests are forgotten.
struct JobRemoval {
  JobId job;
  std::shared_ptr<const JobSpec> spec;  // null when the removal is known from the change log alone
  std::string ns;                       // decides who may know
};
struct NodeChange {
  NodeView node;
  bool durable = true;
};
struct NodeRemoval {
  Slot slot = kNoSlot;
  std::string name;
};
struct NodeLinkChange {
  NodeLinkView link;
};
struct RequestChange {
  RequestView request;
};
struct RequestRemoval {
  std::string principal;
  std::string request_id;
};
struct BatchChange {
  BatchView batch;
};
struct BatchRemoval {
  std::string principal;
  std::string batch_id;
};
struct AuditChange {
  AuditView audit;
};
struct HistoryChange {
  HistoryView history;
};
// Content and its address (SHA-256 in hexadecimal). The loop keeps the address only.
struct BlobChange {
  std::string hash;
  std::shared_ptr<const std::string> content;
};
struct BlobRemoval {
  std::string hash;
};

struct HintsChange {
  JobId job;
  uint32_t group = 0;
  GroupHints hints;
};
struct FeaturesChange {
  JobId job;
  uint32_t group = 0;
  FeaturePart part = FeaturePart::kAdmission;
  std::shared_ptr<const std::string> record;
};
// A piece of KeepFeatureState; without content it goes.
struct FeatureStateChange {
  std::string name;
  std::shared_ptr<const std::string> content;
};

using Change = std::variant<MetaChange, JobChange, TaskChange, JobRemoval, NodeChange, NodeRemoval,
                            NodeLinkChange, RequestChange, RequestRemoval, BatchChange,
                            BatchRemoval, AuditChange, HistoryChange, BlobChange, BlobRemoval,
                            HintsChange, FeaturesChange, FeatureStateChange>;

// All that one turn changed. Immutable once made; shared by the store thread and the watchers.
struct ChangeBatch {
  uint64_t epoch = 0;
  uint64_t term = 0;
  std::vector<Change> changes;
};

}  // namespace berth::state
