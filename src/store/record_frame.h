// The frame around every value in the store but blobs, whose address is their checksum.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/tables.h"

namespace google::protobuf {
class Message;
class MessageLite;
}  // namespace google::protobuf

namespace berth::store {

// A value is
//   2 bytes   schema version of the writer, little-endian
//   8 bytes   checksum, little-endian: FixedHash(message, FixedHash(key, version << 8 | table))
//   the rest  the message
// and so it is in every version: the frame is checked before the version is looked at. The checksum
// covers the key, so that a whole record in the wrong place is found too. Any change within one
// aligned word of the message is found for certain, any other but once in 2^64.

// REQUIRES: every text field is valid UTF-8; else nobody could read the record.
// Cost: about 300 ns, and 1 ns a byte.
std::string FrameRecord(Table table, std::string_view key,
                        const google::protobuf::Message& message);

// Reads the message within `value` into `message` and returns the schema version that wrote it.
//
// DATA_LOSS: the value is damaged. FAILED_PRECONDITION: its version is not readable here. The
// message names table and key.
absl::StatusOr<uint16_t> ParseRecord(Table table, std::string_view key, std::string_view value,
                                     google::protobuf::MessageLite& message);

// DATA_LOSS, "table jobs, job 12: WHAT": for errors about one record.
absl::Status RecordDamaged(Table table, std::string_view key, std::string_view what);

}  // namespace berth::store
