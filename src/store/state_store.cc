#include "store/state_store.h"

#include "base/status_macros.h"
#include "store/record_keys.h"

namespace berth::store {

absl::Status StoreReader::Tail(uint64_t from_epoch, const TailCallback& callback) const {
  // Commits may go on meanwhile: what is beyond this head is left for the next call.
  const uint64_t last = head().epoch;
  if (from_epoch > last) {
    return absl::OutOfRangeError("epoch " + std::to_string(from_epoch) +
                                 " has not been reached: the last one is " + std::to_string(last));
  }
  absl::Status status;
  uint64_t expected = from_epoch + 1;
  const auto visit = [&](std::string_view key, std::string_view entry) {
    if (expected > last) return false;
    const auto epoch = ParseEpochKey(key);
    if (epoch != expected) {
      status = absl::OutOfRangeError("the changes after epoch " + std::to_string(from_epoch) +
                                     " are no longer kept; the last epoch is " +
                                     std::to_string(last) + ": list anew and go on from there");
      return false;
    }
    ++expected;
    return callback(*epoch, entry);
  };
  BERTH_RETURN_IF_ERROR(Scan(Table::kChangeLog, {}, EpochKey(expected), visit));
  if (status.ok() && expected == from_epoch + 1 && from_epoch != last) {
    return absl::OutOfRangeError("the changes after epoch " + std::to_string(from_epoch) +
                                 " are not kept; the last epoch is " + std::to_string(last));
  }
  return status;
}

}  // namespace berth::store
