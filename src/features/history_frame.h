// The frame around each piece of history that is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace google::protobuf {
class MessageLite;
}  // namespace google::protobuf

namespace berth::features {

// Version of what is written. Version N reads N-1 and N.
inline constexpr uint32_t kHistoryVersion = 1;

// `content` as the bytes of the piece `name`: with version, and a checksum over name and content.
std::string FramePiece(std::string_view name, const google::protobuf::MessageLite& content);

// Reads what FramePiece() wrote under this name. DATA_LOSS: the bytes are damaged, or another
// piece's. FAILED_PRECONDITION: a version that is not read here. Messages begin with `piece NAME:
// `.
absl::Status UnframePiece(std::string_view name, std::string_view bytes,
                          google::protobuf::MessageLite& content);

// DATA_LOSS, `piece NAME: WHAT`.
absl::Status PieceDamaged(std::string_view name, std::string_view what);

}  // namespace berth::features
