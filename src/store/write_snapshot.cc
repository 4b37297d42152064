#include "store/write_snapshot.h"

#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "store/record_codec.h"
#include "store/record_keys.h"
#include "store/schema_version.h"
#include "store/tables.h"

namespace berth::store {
namespace {

std::vector<std::pair<char, std::string>> AllTables() {
  std::vector<std::pair<char, std::string>> tables;
  for (const Table table : kTables) {
    tables.emplace_back(static_cast<char>(table), std::string(ToString(table)));
  }
  return tables;
}

}  // namespace

absl::StatusOr<snapshot::SnapshotSummary> WriteSnapshot(const StoreReader& state,
                                                        const SnapshotOrigin& origin,
                                                        snapshot::ByteSink sink) {
  const Head head = state.head();
  if (head.epoch == 0) {
    return absl::FailedPreconditionError("snapshot: nothing was ever committed to the store");
  }
  BERTH_ASSIGN_OR_RETURN(const std::string record, state.Get(Table::kMeta, kMetaKey));
  BERTH_ASSIGN_OR_RETURN(const state::ClusterMeta meta, DecodeMeta(kMetaKey, record));
  snapshot::SnapshotWriter writer(std::move(sink), AllTables());
  BERTH_RETURN_IF_ERROR(writer.Begin({.schema_version = kSchemaVersion,
                                      .cluster_id = meta.cluster_id,
                                      .cluster_name = origin.cluster_name,
                                      .generation = meta.generation,
                                      .term = head.term,
                                      .epoch = head.epoch,
                                      .created_unix_ms = origin.created_unix_ms,
                                      .berthd_version = origin.berthd_version}));
  for (const Table table : kTables) {
    absl::Status written;
    BERTH_RETURN_IF_ERROR(state.Scan(table, [&](std::string_view key, std::string_view value) {
      written = writer.Add(static_cast<char>(table), key, value);
      return written.ok();
    }));
    BERTH_RETURN_IF_ERROR(written);
  }
  return writer.End();
}

}  // namespace berth::store
