#include "store/tables.h"

namespace berth::store {

std::string_view ToString(Table table) {
  switch (table) {
    case Table::kMeta:
      return "meta";
    case Table::kJobs:
      return "jobs";
    case Table::kTasks:
      return "tasks";
    case Table::kNodes:
      return "nodes";
    case Table::kNodeLinks:
      return "node links";
    case Table::kRequests:
      return "requests";
    case Table::kBatches:
      return "batches";
    case Table::kSheets:
      return "score sheets";
    case Table::kBlobs:
      return "blobs";
    case Table::kChangeLog:
      return "change log";
    case Table::kAudit:
      return "audit";
    case Table::kHistory:
      return "history";
    case Table::kFeatures:
      return "features";
    case Table::kLearned:
      return "learned";
  }
  return "unknown";
}

}  // namespace berth::store
