// What every store refuses, in one form of words.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "store/state_store.h"

namespace berth::store {

// FAILED_PRECONDITION unless a commit of (epoch, term) may follow `head`.
absl::Status CheckMayFollow(const Head& head, uint64_t epoch, uint64_t term);

// FAILED_PRECONDITION: this store takes no more.
absl::Status EarlierCommitFailed(std::string_view place);

// NOT_FOUND, naming table and key.
absl::Status RecordMissing(Table table, std::string_view key);

// DATA_LOSS: the content under an address has another hash.
absl::Status BlobDamaged(std::string_view hash);

}  // namespace berth::store
