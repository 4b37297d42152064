// Which of many nodes is best, when few of them have changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_vector.h"
#include "base/planted_fault.h"
#include "berth/ids.h"

namespace berth::engine {

// Total and rank as one number: more total is larger, of equal totals less rank is. Negative: the
// node does not fit.
using Key = int64_t;
inline constexpr Key kNoKey = -1;

inline Key KeyOf(int32_t total, uint32_t rank) {
  if (BERTH_PLANTED(kWrongTie)) rank = UINT32_MAX - rank;
  return total < 0 ? kNoKey : (Key{total} << 32) | (UINT32_MAX - rank);
}
// -1 of kNoKey.
constexpr int32_t TotalOf(Key key) { return static_cast<int32_t>(key >> 32); }

// The nodes with the two largest keys; kNoKey and kNoSlot where there is none.
struct BestTwo {
  Key best_key = kNoKey;
  Key second_key = kNoKey;
  Slot best = kNoSlot;
  Slot second = kNoSlot;

  // REQUIRES: no slot is offered twice.
  void Offer(Key key, Slot slot) {
    if (key <= second_key) return;
    if (key > best_key) {
      second_key = best_key;
      second = best;
      best_key = key;
      best = slot;
    } else {
      second_key = key;
      second = slot;
    }
  }
};

// The totals of one shape on every node, with the largest key of every 64 of them and of every
// 4,096.
//
// The leaves are in order of slots, so that a pass over the columns writes them as it goes; which
// of two equal totals is better is a matter of ranks alone
// (docs/adr/0012-leaves-in-order-of-slots.md). What is above the leaves is worked out when it is
// asked for: until then a key is only known not to be larger than so much, which is enough for all
// that do not come near the top.
//
// Invariants: leaves_[slot] is -1 where the shape does not fit; blocks_[b] is not less than the key
// of any of the leaves [64 b, 64 b + 64), and is that of the leaf at block_places_[b] unless that
// is kUnknown; supers_[s] is not less than any of blocks_[64 s, 64 s + 64), and super_places_[s] is
// the last of them that it was equal to; feasible_ counts the leaves that are not negative.
//
// Threading: a plain value. All calls are given the same ranks, one for each leaf, until Rekey.
class MaxTree {
 public:
  // New leaves do not fit. REQUIRES: size >= size().
  void Grow(size_t size);
  [[nodiscard]] size_t size() const { return leaves_.size(); }

  // This slot will be set soon: its leaf, of a tree that was not used for long, is far away.
  void Prefetch(Slot slot) const { __builtin_prefetch(&leaves_[slot], /*rw=*/1); }
  // Cost: O(1).
  void Set(Slot slot, int32_t total, std::span<const uint32_t> ranks);

  // To write many leaves at once; Rekey() must follow.
  std::span<int32_t> leaves() { return leaves_; }
  // Forgets what is above the leaves. Cost: one vectorised pass over them.
  void Rekey();

  [[nodiscard]] int32_t total(Slot slot) const { return leaves_[slot]; }
  [[nodiscard]] int64_t feasible() const { return feasible_; }
  // Not less than the key of any leaf. Cost: O(size / 4096).
  [[nodiscard]] Key Bound() const;
  // Cost: O(size / 4096 + 64) for each block that was lowered, or is new, and comes near the top.
  BestTwo Best(std::span<const uint32_t> ranks);
  // The same where ties go to the first leaf at or after `start`, and from the last one on to the
  // first: for leaves in an order that matters. The keys are those that ranks give.
  BestTwo BestFrom(size_t start, std::span<const uint32_t> ranks);
  [[nodiscard]] size_t bytes() const;

 private:
  static constexpr size_t kFan = 64;
  static constexpr uint8_t kUnknown = 255;
  static constexpr size_t kNoGroup = SIZE_MAX;

  [[nodiscard]] size_t BlockSize(size_t block) const;
  [[nodiscard]] Slot SlotOf(size_t block) const {
    return static_cast<Slot>(block * kFan + block_places_[block]);
  }
  void RekeyBlock(size_t block, std::span<const uint32_t> ranks);
  void RekeySuper(size_t super);
  // The first leaf of [begin, end) with this total, kNoSlot when there is none.
  // REQUIRES: no leaf has more. Cost: O(size / 4096 + 128).
  [[nodiscard]] Slot FirstIn(size_t begin, size_t end, int32_t total) const;
  // Makes the key of a super exact. Returns the block that has it.
  size_t Resolve(size_t super, std::span<const uint32_t> ranks);

  base::AlignedVector<int32_t> leaves_;
  base::AlignedVector<Key> blocks_;
  std::vector<uint8_t> block_places_;
  std::vector<Key> supers_;
  std::vector<uint8_t> super_places_;
  int64_t feasible_ = 0;
};

}  // namespace berth::engine
