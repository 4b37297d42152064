#include "store/restored_records.h"

#include <algorithm>

#include "base/status_macros.h"
#include "state/generation.h"
#include "store/record_codec.h"

namespace berth::store {
namespace {

absl::Status Put(const Record& record, const RecordSink& sink) {
  return sink(record.table, record.key, record.value);
}

}  // namespace

state::ClusterMeta RestoredMeta(const state::ClusterMeta& snapshot, const Head& head,
                                uint32_t generation, uint64_t term) {
  state::ClusterMeta meta = snapshot;
  meta.generation = generation;
  meta.epoch = state::EpochInGeneration(generation, head.epoch);
  meta.term = std::max(head.term, term);
  meta.next_job = 1;
  meta.settling = true;
  return meta;
}

absl::Status PutRestored(Table table, std::string_view key, std::string_view value,
                         const state::ClusterMeta& restored, const RecordSink& sink) {
  switch (table) {
    case Table::kMeta:
      return Put(Encode(restored), sink);
    case Table::kChangeLog:
      return absl::OkStatus();
    case Table::kTasks: {
      // Whether its agent has had it by now cannot be known from the snapshot: it counts as sent.
      BERTH_ASSIGN_OR_RETURN(TaskRecordContent content, DecodeTask(key, value));
      content.task.row.start_sequence = 0;
      return Put(Encode(content.task, content.sheet), sink);
    }
    default:
      return sink(table, key, value);
  }
}

absl::Status PutRestoredEpoch(const state::ClusterMeta& restored, const RecordSink& sink) {
  return Put(Encode(ChangeLogEntry{.epoch = restored.epoch}), sink);
}

}  // namespace berth::store
