#include "store/commit_check.h"

#include <string>

#include "store/record_frame.h"
#include "store/record_keys.h"

namespace berth::store {

absl::Status CheckMayFollow(const Head& head, uint64_t epoch, uint64_t term) {
  if (term < head.term) {
    return absl::FailedPreconditionError("a commit of leader term " + std::to_string(term) +
                                         " is refused: term " + std::to_string(head.term) +
                                         " has begun, another daemon has taken over");
  }
  if (epoch != head.epoch + 1) {
    return absl::FailedPreconditionError("a commit of epoch " + std::to_string(epoch) +
                                         " is refused: the next one is " +
                                         std::to_string(head.epoch + 1));
  }
  return absl::OkStatus();
}

absl::Status EarlierCommitFailed(std::string_view place) {
  return absl::FailedPreconditionError(
      "store \"" + std::string(place) +
      "\": an earlier commit failed, and what lasts of it is known only after a restart");
}

absl::Status RecordMissing(Table table, std::string_view key) {
  return absl::NotFoundError("table " + std::string(ToString(table)) + " has no " +
                             DescribeKey(table, key));
}

absl::Status BlobDamaged(std::string_view hash) {
  return RecordDamaged(Table::kBlobs, hash, "its content has another SHA-256 than its address");
}

}  // namespace berth::store
