#include "store/restore_snapshot.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/annotate.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "snapshot/snapshot_reader.h"
#include "state/generation.h"
#include "store/commit_check.h"
#include "store/data_directory.h"
#include "store/journal.h"
#include "store/record_codec.h"
#include "store/record_keys.h"
#include "store/restore_swap.h"
#include "store/restored_records.h"
#include "store/rocksdb_store.h"
#include "store/schema_version.h"
#include "store/tables.h"

namespace berth::store {
namespace {

using snapshot::SnapshotInfo;
using snapshot::SnapshotSummary;

std::string UtcText(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm fields{};
  ::gmtime_r(&seconds, &fields);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &fields)};
}

absl::StatusOr<Table> TableOf(char letter) {
  const auto found = std::find(kTables.begin(), kTables.end(), static_cast<Table>(letter));
  if (found != kTables.end()) return *found;
  return absl::FailedPreconditionError("it has a table \"" + std::string(1, letter) +
                                       "\" that this berthd does not know; use the one that wrote "
                                       "it");
}

absl::Status CheckVersions(const SnapshotInfo& info) {
  if (info.schema_version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        "its records are of schema version " + std::to_string(info.schema_version) +
        ", and this berthd (which berthd --version names) knows versions up to " +
        std::to_string(kSchemaVersion) + "; use berthd " + info.berthd_version +
        ", which wrote it, or a later one");
  }
  if (info.schema_version < kOldestSchemaVersion) {
    return absl::FailedPreconditionError(
        "its records are of schema version " + std::to_string(info.schema_version) +
        ", and this berthd reads from " + std::to_string(kOldestSchemaVersion) +
        " on; restore it with berthd " + info.berthd_version + ", then start later ones on it");
  }
  if (info.epoch == 0) return absl::DataLossError("it says that it is of epoch 0");
  return absl::OkStatus();
}

// Each record on its own. What they say of one another is checked when a store holds them.
absl::Status CheckRecord(Table table, std::string_view key, std::string_view value) {
  switch (table) {
    case Table::kMeta:
      return DecodeMeta(key, value).status();
    case Table::kJobs:
      return DecodeJob(key, value).status();
    case Table::kTasks:
      return DecodeTask(key, value).status();
    case Table::kNodes:
      return DecodeNode(key, value).status();
    case Table::kNodeLinks:
      return DecodeNodeLink(key, value).status();
    case Table::kRequests:
      return DecodeRequest(key, value).status();
    case Table::kBatches:
      return DecodeBatch(key, value).status();
    case Table::kSheets:
      return DecodeSheet(key, value).status();
    case Table::kBlobs:
      return base::Sha256Hex(value) == key ? absl::OkStatus() : BlobDamaged(key);
    case Table::kChangeLog:
      return DecodeChangeLog(key, value).status();
    case Table::kAudit:
      return DecodeAudit(key, value).status();
    case Table::kHistory:
      return DecodeHistory(key, value).status();
    case Table::kFeatures: {
      const auto place = ParseFeaturesKey(key);
      if (place && place->part == state::FeaturePart::kHints) {
        return DecodeHints(key, value).status();
      }
      return DecodeFeatures(key, value).status();
    }
    case Table::kLearned:
      return DecodeLearned(key, value).status();
  }
  return absl::OkStatus();
}

struct VerifiedSnapshot {
  SnapshotSummary summary;
  state::ClusterMeta meta;
};

absl::StatusOr<VerifiedSnapshot> Verify(const std::string& file) {
  VerifiedSnapshot found;
  bool has_meta = false;
  const auto record = [&](char letter, std::string_view key, std::string_view value) {
    BERTH_ASSIGN_OR_RETURN(const Table table, TableOf(letter));
    BERTH_RETURN_IF_ERROR(CheckRecord(table, key, value));
    if (table != Table::kMeta) return absl::OkStatus();
    BERTH_ASSIGN_OR_RETURN(found.meta, DecodeMeta(key, value));
    has_meta = true;
    return absl::OkStatus();
  };
  BERTH_ASSIGN_OR_RETURN(
      found.summary, snapshot::ReadSnapshotFile(file, {.header = CheckVersions, .record = record}));
  const SnapshotInfo& info = found.summary.info;
  if (!has_meta || found.meta.cluster_id != info.cluster_id ||
      found.meta.generation != info.generation || found.meta.epoch > info.epoch ||
      found.meta.term > info.term) {
    return absl::DataLossError("snapshot \"" + file +
                               "\": its header and its record of the cluster contradict one "
                               "another; restore another snapshot");
  }
  return found;
}

// What is in the directory, as far as the new numbers depend on it.
struct Existing {
  bool any = false;
  uint32_t generation = 0;
  Head head;
};

// The numbers of the new state.
absl::StatusOr<state::ClusterMeta> NumberAnew(const VerifiedSnapshot& snapshot,
                                              const Existing& existing,
                                              const std::optional<uint32_t>& asked) {
  const SnapshotInfo& info = snapshot.summary.info;
  const uint32_t known = std::max(info.generation, existing.generation);
  const std::string whose = "the snapshot's is " + std::to_string(info.generation) +
                            (existing.any ? ", and that of the state in the directory " +
                                                std::to_string(existing.generation)
                                          : std::string());
  if (asked && *asked <= known) {
    return absl::FailedPreconditionError(
        "generation " + std::to_string(*asked) + " is not greater than all before it (" + whose +
        "): agents would not follow it, and ids would be given out twice; ask for " +
        std::to_string(known + 1) + " or more, or leave it out");
  }
  const uint64_t generation = asked ? *asked : uint64_t{known} + 1;
  if (generation > state::kMostGeneration) {
    return absl::FailedPreconditionError("generation " + std::to_string(generation) +
                                         " is beyond " + std::to_string(state::kMostGeneration) +
                                         ", the greatest there may be (" + whose + ")");
  }
  const state::ClusterMeta meta =
      RestoredMeta(snapshot.meta, {.epoch = info.epoch, .term = info.term},
                   static_cast<uint32_t>(generation), existing.head.term);
  if (meta.epoch <= std::max(info.epoch, existing.head.epoch)) {
    return absl::FailedPreconditionError("generation " + std::to_string(generation) +
                                         " would begin at epoch " + std::to_string(meta.epoch) +
                                         ", and there was epoch " +
                                         std::to_string(std::max(info.epoch, existing.head.epoch)) +
                                         " before; ask for a greater generation");
  }
  return meta;
}

// The records of the new state, one after the other.
absl::Status WriteRecords(const RestoreOptions& options, const VerifiedSnapshot& verified,
                          const state::ClusterMeta& meta, int64_t unix_ms, const RecordSink& sink) {
  const auto record = [&](char letter, std::string_view key, std::string_view value) {
    BERTH_ASSIGN_OR_RETURN(const Table table, TableOf(letter));
    return PutRestored(table, key, value, meta, sink);
  };
  BERTH_ASSIGN_OR_RETURN(const SnapshotSummary again,
                         snapshot::ReadSnapshotFile(options.file, {.record = record}));
  if (again != verified.summary) {
    return absl::FailedPreconditionError("snapshot \"" + options.file +
                                         "\": it was changed while it was read");
  }
  const SnapshotInfo& info = verified.summary.info;
  BERTH_RETURN_IF_ERROR(PutRestoredEpoch(meta, sink));
  const state::AuditView audit{
      .unix_ms = unix_ms,
      .principal = options.principal,
      .action = kRestoreAction,
      .object = "cluster",
      .outcome = "ok",
      .detail = "epoch " + std::to_string(info.epoch) + " of generation " +
                std::to_string(info.generation) + ", saved at " + UtcText(info.created_unix_ms) +
                " by berthd " + info.berthd_version + "; it goes on as generation " +
                std::to_string(meta.generation) + ", epoch " + std::to_string(meta.epoch)};
  const Record kept = Encode(JournalPosition{.epoch = meta.epoch, .position = 0}, audit);
  return sink(kept.table, kept.key, kept.value);
}

absl::Status BuildBeside(const RestoreOptions& options, const VerifiedSnapshot& verified,
                         const state::ClusterMeta& meta, const DataDirectory& directory,
                         const base::Clock& clock) {
  const std::string beside = directory.path() + "/" + kUnfinishedRestore;
  if (::mkdir(beside.c_str(), 0700) != 0) {
    return absl::ErrnoToStatus(
        errno, "data directory \"" + directory.path() + "\": cannot make " + beside);
  }
  const SnapshotInfo& info = verified.summary.info;
  BERTH_RETURN_IF_ERROR(DataDirectory::MakeIdentity(
      beside, info.cluster_id,
      directory.cluster_name().empty() ? info.cluster_name : directory.cluster_name(), clock));
  const int64_t unix_ms = clock.WallMs();
  BERTH_RETURN_IF_ERROR(RocksDbStore::Build(
      beside, {.epoch = meta.epoch, .term = meta.term}, [&](const RecordSink& sink) {
        return WriteRecords(options, verified, meta, unix_ms, sink);
      }));
  RocksDbStoreOptions store_options{.data_dir = beside};
  store_options.room.ballast_bytes = 0;
  BERTH_ASSIGN_OR_RETURN(const auto store, RocksDbStore::Open(store_options, clock));
  return options.check ? options.check(*store) : absl::OkStatus();
}

absl::StatusOr<Existing> LookAtExisting(const DataDirectory& directory) {
  struct stat found {};
  if (::stat(directory.database_path().c_str(), &found) != 0) return Existing{};
  Existing existing{.any = true};
  BERTH_ASSIGN_OR_RETURN(const RocksDbStore::Glimpse glimpse, RocksDbStore::Peek(directory.path()));
  existing.head = glimpse.head;
  existing.generation = glimpse.meta.generation;
  return existing;
}

}  // namespace

absl::StatusOr<RestoreOutcome> RestoreSnapshot(const RestoreOptions& options,
                                               const base::Clock& clock) {
  BERTH_RETURN_IF_ERROR(DataDirectory::CheckNotInUse(options.data_dir));
  BERTH_ASSIGN_OR_RETURN(const VerifiedSnapshot verified, Verify(options.file));
  const SnapshotInfo& info = verified.summary.info;
  if (!options.cluster_name.empty() && !info.cluster_name.empty() &&
      options.cluster_name != info.cluster_name) {
    return absl::FailedPreconditionError(
        "snapshot \"" + options.file + "\": it is of cluster \"" + info.cluster_name +
        "\", and the configuration's clusterName is \"" + options.cluster_name +
        "\"; restore this cluster's snapshot, or name the other's configuration");
  }
  BERTH_ASSIGN_OR_RETURN(const auto directory,
                         DataDirectory::OpenForRestore(options.data_dir, info.cluster_id,
                                                       options.cluster_name, clock));
  RestoreOutcome outcome{.snapshot = verified.summary};
  absl::StatusOr<Existing> existing = LookAtExisting(*directory);
  if (!existing.ok()) {
    // To replace a damaged state is what a snapshot is for; but its numbers are not known then.
    outcome.unreadable = base::S(existing.status().message());
    if (!options.generation) {
      return absl::FailedPreconditionError(
          outcome.unreadable +
          ". So the restore generation of the state in it is not known: give --generation N, "
          "greater "
          "than any that this cluster has had (agents log theirs; without restores it is 0)");
    }
    existing = Existing{};
  }
  BERTH_ASSIGN_OR_RETURN(const state::ClusterMeta meta,
                         NumberAnew(verified, *existing, options.generation));
  outcome.generation = meta.generation;
  outcome.epoch = meta.epoch;
  absl::Status built = BuildBeside(options, verified, meta, *directory, clock);
  if (built.ok()) built = MarkRestoreReady(directory->path());
  if (!built.ok()) {
    // If even this fails, the next start removes it.
    RemoveTree(directory->path() + "/" + kUnfinishedRestore).IgnoreError();
    return built;
  }
  absl::StatusOr<std::string> moved = SettleRestore(directory->path(), clock.WallMs() / 1000);
  if (!moved.ok()) {
    return base::Annotate(moved.status(),
                          "data directory \"" + directory->path() +
                              "\": the restored state is whole and takes over at the next start of "
                              "berthd, because now");
  }
  outcome.moved_aside = *std::move(moved);
  return outcome;
}

absl::StatusOr<std::optional<std::string>> FindRestore(const StateStore& store) {
  std::optional<std::string> found;
  const uint64_t epoch = store.head().epoch;
  BERTH_RETURN_IF_ERROR(ReadAudit(store, {.epoch = epoch, .position = 0},
                                  [&](const JournalPosition&, const state::AuditView& audit) {
                                    if (audit.action == kRestoreAction) found = audit.detail;
                                    return false;
                                  }));
  return found;
}

}  // namespace berth::store
