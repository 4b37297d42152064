#include "store/journal.h"

#include "base/status_macros.h"
#include "store/record_codec.h"

namespace berth::store {
namespace {

template <typename Decode, typename Callback>
absl::Status Read(const StoreReader& store, Table table, const JournalPosition& from, Decode decode,
                  const Callback& callback) {
  absl::Status decoded;
  BERTH_RETURN_IF_ERROR(store.Scan(table, {}, JournalKey(from.epoch, from.position),
                                   [&](std::string_view key, std::string_view value) {
                                     const auto entry = decode(key, value);
                                     decoded = entry.status();
                                     return decoded.ok() && callback(*ParseJournalKey(key), *entry);
                                   }));
  return decoded;
}

}  // namespace

absl::Status ReadAudit(const StoreReader& store, const JournalPosition& from,
                       const AuditCallback& callback) {
  return Read(store, Table::kAudit, from, DecodeAudit, callback);
}

absl::Status ReadHistory(const StoreReader& store, const JournalPosition& from,
                         const HistoryCallback& callback) {
  return Read(store, Table::kHistory, from, DecodeHistory, callback);
}

}  // namespace berth::store
