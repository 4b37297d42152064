// Versions of what is on disk: of the messages in proto/berth/store/v1/records.proto.
#pragma once

#include <cstdint>

namespace berth::store {

// What this version of berthd writes, and the oldest that it reads. Raising the first takes golden
// records of the new version (tests/unit/store/golden_records_test.cc).
inline constexpr uint16_t kSchemaVersion = 1;
inline constexpr uint16_t kOldestSchemaVersion = 1;

}  // namespace berth::store
