#include "features/history_pieces.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/features/v1/history.pb.h"
#include "features/history_frame.h"

namespace berth::features {
namespace {

namespace pb = berth::features::v1;

constexpr std::string_view kGroupPrefix = "group/";

}  // namespace

std::string GroupPieceName(HistoryGroups::Slot slot) {
  return absl::StrCat(base::A(kGroupPrefix), slot);
}

absl::StatusOr<HistoryGroups::Slot> SlotOfPiece(std::string_view name) {
  HistoryGroups::Slot slot = 0;
  if (!name.starts_with(kGroupPrefix) ||
      !absl::SimpleAtoi(base::A(name.substr(kGroupPrefix.size())), &slot) ||
      GroupPieceName(slot) != name) {
    return absl::InvalidArgumentError(
        absl::StrCat("piece ", base::A(name), ": there is no piece of this name"));
  }
  return slot;
}

std::string WriteGroupPiece(std::string_view name, const HistoryGroup& group) {
  pb::HistoryGroupPiece out;
  out.set_key_high(group.key.high);
  out.set_key_low(group.key.low);
  out.set_level(static_cast<uint32_t>(group.level));
  out.set_last_end_s(group.last_end_s);
  out.set_used(group.used);
  out.set_failed_bits(group.failed_bits);
  out.set_ends(group.ends);
  for (const RecentValues& values : group.values) {
    pb::HistoryValues& list = *out.add_values();
    for (size_t i = values.size(); i-- > 0;) {
      const SeenValue& seen = values.Newest(i);
      list.add_at_s(seen.at_s);
      list.add_codes(seen.code * 2u + (seen.at_least ? 1u : 0u));
    }
  }
  if (group.family != nullptr) {
    out.set_user_high(group.family->user.high);
    out.set_user_low(group.family->user.low);
    for (const uint32_t place : group.family->signature.places) out.add_signature(place);
  }
  return FramePiece(name, out);
}

absl::StatusOr<HistoryGroup> ReadGroupPiece(const HistoryPiece& piece) {
  pb::HistoryGroupPiece in;
  BERTH_RETURN_IF_ERROR(UnframePiece(piece.name, piece.bytes, in));
  HistoryGroup group;
  group.key = {in.key_high(), in.key_low()};
  if (in.level() >= kHistoryLevels) return PieceDamaged(piece.name, "there is no such level");
  group.level = static_cast<HistoryLevel>(in.level());
  group.last_end_s = in.last_end_s();
  group.used = in.used();
  group.failed_bits = in.failed_bits();
  if (in.ends() > 32) return PieceDamaged(piece.name, "it remembers more ends than there are bits");
  group.ends = static_cast<uint8_t>(in.ends());
  if (static_cast<size_t>(in.values_size()) != kHistoryFields) {
    return PieceDamaged(piece.name, "it has not one list for each field");
  }
  for (size_t field = 0; field < kHistoryFields; ++field) {
    const pb::HistoryValues& list = in.values(static_cast<int>(field));
    if (list.at_s_size() != list.codes_size() ||
        static_cast<size_t>(list.codes_size()) > RecentValues::kMost) {
      return PieceDamaged(piece.name, "a list of values has no such length");
    }
    for (int i = 0; i < list.codes_size(); ++i) {
      if (list.codes(i) / 2 > kLargestCode)
        return PieceDamaged(piece.name, "there is no such value");
      group.values[field].Add({.at_s = list.at_s(i),
                               .code = static_cast<ValueCode>(list.codes(i) / 2),
                               .at_least = list.codes(i) % 2 == 1});
    }
  }
  const bool is_script = group.level == HistoryLevel::kScript;
  if (static_cast<size_t>(in.signature_size()) != (is_script ? ScriptSignature::kPlaces : 0)) {
    return PieceDamaged(piece.name, "its signature has no such length");
  }
  if (is_script) {
    group.family = std::make_unique<ScriptFamily>();
    group.family->user = {in.user_high(), in.user_low()};
    for (size_t i = 0; i < ScriptSignature::kPlaces; ++i) {
      group.family->signature.places[i] = in.signature(static_cast<int>(i));
    }
  }
  return group;
}

std::string WriteTrustPiece(std::span<const IntervalTrust> trust) {
  pb::HistoryTrustPiece out;
  for (const IntervalTrust& one : trust) {
    pb::HistoryTrust& entry = *out.add_trust();
    entry.set_low(static_cast<uint32_t>(one.state().low));
    entry.set_high(static_cast<uint32_t>(one.state().high));
    for (const int32_t right : one.state().right) entry.add_right(static_cast<uint32_t>(right));
  }
  return FramePiece(kTrustPiece, out);
}

absl::StatusOr<std::vector<IntervalTrust::State>> ReadTrustPiece(const HistoryPiece& piece) {
  pb::HistoryTrustPiece in;
  BERTH_RETURN_IF_ERROR(UnframePiece(piece.name, piece.bytes, in));
  std::vector<IntervalTrust::State> states;
  for (const pb::HistoryTrust& entry : in.trust()) {
    IntervalTrust::State& state = states.emplace_back();
    if (static_cast<size_t>(entry.right_size()) != IntervalTrust::kWidths) {
      return PieceDamaged(piece.name, "it has not one share for each width");
    }
    state.low = static_cast<int32_t>(entry.low());
    state.high = static_cast<int32_t>(entry.high());
    for (size_t i = 0; i < IntervalTrust::kWidths; ++i) {
      state.right[i] = static_cast<int32_t>(entry.right(static_cast<int>(i)));
    }
  }
  return states;
}

}  // namespace berth::features
