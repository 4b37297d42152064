// The pieces in which an estimator's history is kept, and their bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "features/history_groups.h"
#include "features/interval_trust.h"

namespace berth::features {

// One part of what the estimator knows, to be kept by its owner under its name.
struct HistoryPiece {
  std::string name;
  std::string bytes;
};

inline constexpr std::string_view kTrustPiece = "trust";
std::string GroupPieceName(HistoryGroups::Slot slot);
// REQUIRES: the name of a group's piece, or InvalidArgument.
absl::StatusOr<HistoryGroups::Slot> SlotOfPiece(std::string_view name);

std::string WriteGroupPiece(std::string_view name, const HistoryGroup& group);
std::string WriteTrustPiece(std::span<const IntervalTrust> trust);

// What was written under this name. DATA_LOSS: the bytes are damaged, belong to another name, or
// hold what no estimator writes. FAILED_PRECONDITION: a version that is not read here. Messages
// begin with `piece NAME: `.
absl::StatusOr<HistoryGroup> ReadGroupPiece(const HistoryPiece& piece);
absl::StatusOr<std::vector<IntervalTrust::State>> ReadTrustPiece(const HistoryPiece& piece);

}  // namespace berth::features
