// Reads the two journals of the store: who did what, and what attempts used.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "state/changes.h"
#include "store/history_entry.h"
#include "store/record_keys.h"
#include "store/state_store.h"

namespace berth::store {

// Called for one entry; false ends the reading.
using AuditCallback = std::function<bool(const JournalPosition& at, const state::AuditView& audit)>;
using HistoryCallback = std::function<bool(const JournalPosition& at, const HistoryEntry& entry)>;

// Calls back for each entry at `from` or later, in order. Errors, threading and cost: as
// StoreReader::Scan; and DATA_LOSS for an entry that is damaged.
absl::Status ReadAudit(const StoreReader& store, const JournalPosition& from,
                       const AuditCallback& callback);
absl::Status ReadHistory(const StoreReader& store, const JournalPosition& from,
                         const HistoryCallback& callback);

}  // namespace berth::store
