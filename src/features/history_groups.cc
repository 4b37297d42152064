#include "features/history_groups.h"

#include "base/check.h"
#include "base/fixed_hash.h"

namespace berth::features {
namespace {

// Of 32 places: scripts that have about six of ten runs of words in common.
constexpr size_t kLeastAgreement = 20;

uint64_t BandKey(const GroupKey& user, const ScriptSignature& signature, size_t band) {
  return base::FixedHash(signature.Band(band), user.low);
}

}  // namespace

std::optional<HistoryGroups::Slot> HistoryGroups::Find(const GroupKey& key) const {
  const auto found = slot_of_.find(key);
  if (found == slot_of_.end()) return std::nullopt;
  return found->second;
}

std::optional<HistoryGroups::Slot> HistoryGroups::FindFamily(
    const GroupKey& user, const ScriptSignature& signature) const {
  std::optional<Slot> best;
  size_t best_agreement = kLeastAgreement - 1;
  for (size_t band = 0; band < ScriptSignature::kBands; ++band) {
    const auto found = family_of_band_.find(BandKey(user, signature, band));
    if (found == family_of_band_.end() || found->second == best) continue;
    const ScriptFamily& family = *At(found->second).family;
    // Bands of two users may share a hash; their histories must not meet.
    if (!(family.user == user)) continue;
    const size_t agreement = family.signature.Agreement(signature);
    if (agreement <= best_agreement) continue;
    best = found->second;
    best_agreement = agreement;
  }
  return best;
}

HistoryGroups::Slot HistoryGroups::Use(const GroupKey& key, HistoryLevel level,
                                       const ScriptFamily* family) {
  if (const auto found = Find(key); found.has_value()) {
    Unlink(*found);
    LinkNewest(*found);
    At(*found).used = ++uses_;
    ClaimBands(*found);
    return *found;
  }
  const Slot slot = TakeSlot();
  HistoryGroup group;
  group.key = key;
  group.level = level;
  group.used = ++uses_;
  if (level == HistoryLevel::kScript) {
    BERTH_CHECK(family != nullptr);
    group.family = std::make_unique<ScriptFamily>(*family);
  }
  Enter(slot, std::move(group));
  return slot;
}

bool HistoryGroups::Restore(Slot slot, HistoryGroup group) {
  if (slot >= most_ || Holds(slot) || slot_of_.contains(group.key) || group.used <= uses_) {
    return false;
  }
  while (entries_.size() < slot) {
    free_.push_back(static_cast<Slot>(entries_.size()));
    entries_.emplace_back();
  }
  if (entries_.size() == slot) entries_.emplace_back();
  uses_ = group.used;
  Enter(slot, std::move(group));
  return true;
}

size_t HistoryGroups::bytes() const {
  size_t total = sizeof *this + entries_.capacity() * sizeof(Entry) +
                 free_.capacity() * sizeof(Slot) +
                 slot_of_.capacity() * (sizeof(GroupKey) + sizeof(Slot) + 5) +
                 family_of_band_.capacity() * (sizeof(uint64_t) + sizeof(Slot) + 5);
  for (const Entry& entry : entries_) {
    for (const RecentValues& values : entry.group.values) total += values.bytes();
    if (entry.group.family != nullptr) total += sizeof(ScriptFamily);
  }
  return total;
}

HistoryGroups::Slot HistoryGroups::TakeSlot() {
  while (!free_.empty()) {
    const Slot slot = free_.back();
    free_.pop_back();
    if (!entries_[slot].in_use) return slot;
  }
  if (entries_.size() < most_) {
    entries_.emplace_back();
    return static_cast<Slot>(entries_.size() - 1);
  }
  const Slot slot = oldest_;
  Remove(slot);
  return slot;
}

void HistoryGroups::Enter(Slot slot, HistoryGroup group) {
  Entry& entry = entries_[slot];
  entry.group = std::move(group);
  entry.in_use = true;
  slot_of_.emplace(entry.group.key, slot);
  ClaimBands(slot);
  LinkNewest(slot);
}

void HistoryGroups::ClaimBands(Slot slot) {
  const ScriptFamily* family = At(slot).family.get();
  if (family == nullptr) return;
  // At each use, and not only when the group is made: so the order of use alone says whose a band
  // is, and that order is kept.
  for (size_t band = 0; band < ScriptSignature::kBands; ++band) {
    family_of_band_[BandKey(family->user, family->signature, band)] = slot;
  }
}

void HistoryGroups::Remove(Slot slot) {
  Entry& entry = entries_[slot];
  slot_of_.erase(entry.group.key);
  if (const ScriptFamily* family = entry.group.family.get(); family != nullptr) {
    for (size_t band = 0; band < ScriptSignature::kBands; ++band) {
      const auto found = family_of_band_.find(BandKey(family->user, family->signature, band));
      // Another family may have taken the band over since.
      if (found != family_of_band_.end() && found->second == slot) family_of_band_.erase(found);
    }
  }
  Unlink(slot);
  entry.in_use = false;
  entry.group = HistoryGroup{};
}

void HistoryGroups::Unlink(Slot slot) {
  Entry& entry = entries_[slot];
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  entry.older = entry.newer = kNone;
}

void HistoryGroups::LinkNewest(Slot slot) {
  Entry& entry = entries_[slot];
  entry.older = newest_;
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = slot;
  newest_ = slot;
}

}  // namespace berth::features
