#include "features/history_frame.h"

#include "absl/strings/str_cat.h"
#include "base/fixed_hash.h"
#include "base/strings.h"
#include "berth/features/v1/history.pb.h"

namespace berth::features {
namespace {

uint64_t Checksum(std::string_view name, uint32_t version, std::string_view content) {
  return base::FixedHash(content, base::FixedHash(name, version));
}

}  // namespace

absl::Status PieceDamaged(std::string_view name, std::string_view what) {
  return absl::DataLossError(absl::StrCat("piece ", base::A(name), ": ", base::A(what)));
}

std::string FramePiece(std::string_view name, const google::protobuf::MessageLite& content) {
  // Fields are written in order of their numbers, and there are no maps: equal content, equal
  // bytes.
  v1::HistoryPiece piece;
  piece.set_version(kHistoryVersion);
  piece.set_content(content.SerializeAsString());
  piece.set_checksum(Checksum(name, kHistoryVersion, piece.content()));
  return piece.SerializeAsString();
}

absl::Status UnframePiece(std::string_view name, std::string_view bytes,
                          google::protobuf::MessageLite& content) {
  v1::HistoryPiece piece;
  if (!piece.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return PieceDamaged(name, "is not a piece of history");
  }
  if (piece.checksum() != Checksum(name, piece.version(), piece.content())) {
    return PieceDamaged(name, "its checksum is another");
  }
  if (piece.version() == 0 || piece.version() > kHistoryVersion ||
      piece.version() + 1 < kHistoryVersion) {
    return absl::FailedPreconditionError(absl::StrCat("piece ", base::A(name), ": version ",
                                                      piece.version(), " is not read by version ",
                                                      kHistoryVersion));
  }
  if (!content.ParseFromString(piece.content())) return PieceDamaged(name, "cannot be read");
  return absl::OkStatus();
}

}  // namespace berth::features
