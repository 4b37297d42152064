#include "engine/max_tree.h"

#include <algorithm>
#include <array>
#include <utility>

#include "berth/vector_kernel.h"

namespace berth::engine {
namespace {

constexpr size_t kBlock = 64;

struct BlockBest {
  Key key = kNoKey;
  uint32_t place = 0;
};

// `n` is a constant in the one call that matters, for which the loops are unrolled.
[[gnu::always_inline]] inline BlockBest FindBest(const int32_t* totals, const uint32_t* ranks,
                                                 size_t n) {
  int32_t most = -1;
  for (size_t i = 0; i < n; ++i) most = std::max(most, totals[i]);
  if (most < 0) return {};
  // Ranks number the slots of a table, so that they fit int32. Written so that it vectorises: a
  // choice in place of the bits would be a jump.
  int32_t lowest = INT32_MAX;
  for (size_t i = 0; i < n; ++i) {
    const int32_t is_worse = -static_cast<int32_t>(totals[i] != most) & INT32_MAX;
    lowest = std::min(lowest, static_cast<int32_t>(ranks[i]) | is_worse);
  }
  int32_t place = 0;
  for (size_t i = 0; i < n; ++i) {
    const bool is_best = totals[i] == most && static_cast<int32_t>(ranks[i]) == lowest;
    place |= is_best ? static_cast<int32_t>(i) : 0;
  }
  return {KeyOf(most, static_cast<uint32_t>(lowest)), static_cast<uint32_t>(place)};
}

BERTH_VECTOR_KERNEL BlockBest BestOfBlock(const int32_t* totals, const uint32_t* ranks, size_t n) {
  return n == kBlock ? FindBest(totals, ranks, kBlock) : FindBest(totals, ranks, n);
}

BERTH_VECTOR_KERNEL int32_t MostOf(const int32_t* totals, size_t n) {
  int32_t most = -1;
  for (size_t i = 0; i < n; ++i) most = std::max(most, totals[i]);
  return most;
}

BERTH_VECTOR_KERNEL int64_t CountNotNegative(const int32_t* totals, size_t n) {
  int32_t infeasible = 0;
  for (size_t i = 0; i < n; ++i) infeasible -= totals[i] >> 31;
  return static_cast<int64_t>(n) - infeasible;
}

// The place of the largest; of equal ones, any.
BERTH_VECTOR_KERNEL size_t PlaceOfLargest(const Key* keys, size_t n) {
  Key largest = INT64_MIN;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, keys[i]);
  int64_t place = 0;
  for (size_t i = 0; i < n; ++i) {
    place = std::max(place, -static_cast<int64_t>(keys[i] == largest) & static_cast<int64_t>(i));
  }
  return static_cast<size_t>(place);
}

size_t Groups(size_t items) { return (items + kBlock - 1) / kBlock; }

}  // namespace

void MaxTree::Grow(size_t size) {
  leaves_.resize(size, -1);
  blocks_.resize(Groups(size), kNoKey);
  block_places_.resize(blocks_.size(), 0);
  supers_.resize(Groups(blocks_.size()), kNoKey);
  super_places_.resize(supers_.size(), 0);
}

size_t MaxTree::BlockSize(size_t block) const {
  return std::min(kFan, leaves_.size() - block * kFan);
}

void MaxTree::RekeyBlock(size_t block, std::span<const uint32_t> ranks) {
  const BlockBest best =
      BestOfBlock(&leaves_[block * kFan], &ranks[block * kFan], BlockSize(block));
  blocks_[block] = best.key;
  block_places_[block] = static_cast<uint8_t>(best.place);
}

void MaxTree::RekeySuper(size_t super) {
  const size_t first = super * kFan;
  const size_t place = PlaceOfLargest(&blocks_[first], std::min(kFan, blocks_.size() - first));
  supers_[super] = blocks_[first + place];
  super_places_[super] = static_cast<uint8_t>(place);
}

void MaxTree::Set(Slot slot, int32_t total, std::span<const uint32_t> ranks) {
  const int32_t before = std::exchange(leaves_[slot], total);
  if (before == total) return;
  feasible_ += static_cast<int>(total >= 0) - static_cast<int>(before >= 0);

  const size_t block = slot / kFan;
  const auto place = static_cast<uint8_t>(slot % kFan);
  const Key key = KeyOf(total, ranks[slot]);
  if (key <= blocks_[block]) {
    // What was the largest may not be any more; it is still not less than any other.
    if (block_places_[block] == place && !BERTH_PLANTED(kKeepLoweredKey)) {
      block_places_[block] = kUnknown;
    }
    return;
  }
  blocks_[block] = key;
  block_places_[block] = place;
  const size_t super = block / kFan;
  if (key > supers_[super]) {
    supers_[super] = key;
    super_places_[super] = static_cast<uint8_t>(block % kFan);
  }
}

void MaxTree::Rekey() {
  for (size_t block = 0; block < blocks_.size(); ++block) {
    const int32_t most = MostOf(&leaves_[block * kFan], BlockSize(block));
    // As if it had the best of ranks.
    blocks_[block] = KeyOf(most, 0);
    block_places_[block] = kUnknown;
  }
  for (size_t super = 0; super < supers_.size(); ++super) RekeySuper(super);
  feasible_ = CountNotNegative(leaves_.data(), leaves_.size());
}

size_t MaxTree::Resolve(size_t super, std::span<const uint32_t> ranks) {
  const size_t first = super * kFan;
  const size_t last = std::min(first + kFan, blocks_.size());
  for (;;) {
    const size_t block = first + super_places_[super];
    const Key bound = supers_[super];
    if (bound == kNoKey || (block_places_[block] != kUnknown && blocks_[block] == bound)) {
      return block;
    }
    // All that have the same total at once: after a pass over many equal nodes they are many.
    for (size_t b = first; b < last; ++b) {
      if (block_places_[b] == kUnknown && TotalOf(blocks_[b]) == TotalOf(bound)) {
        RekeyBlock(b, ranks);
      }
    }
    RekeySuper(super);
  }
}

BestTwo MaxTree::Best(std::span<const uint32_t> ranks) {
  BestTwo two;
  if (supers_.empty()) return two;
  size_t top = 0;
  for (size_t settled = kNoGroup; settled != top;) {
    top = PlaceOfLargest(supers_.data(), supers_.size());
    const Key bound = supers_[top];
    if (bound == kNoKey) return two;
    Resolve(top, ranks);
    if (supers_[top] == bound) settled = top;
  }
  const size_t block = top * kFan + super_places_[top];
  two.best_key = supers_[top];
  two.best = SlotOf(block);

  // The second is the best of what lost against the first: among its leaves, its blocks, or at the
  // top.
  alignas(base::kCacheLine) std::array<int32_t, kBlock> others;
  const size_t n = BlockSize(block);
  std::copy_n(&leaves_[block * kFan], n, others.begin());
  others[two.best % kFan] = -1;
  const BlockBest leaf = BestOfBlock(others.data(), &ranks[block * kFan], n);
  if (leaf.key != kNoKey) {
    two.second_key = leaf.key;
    two.second = static_cast<Slot>(block * kFan + leaf.place);
  }
  const size_t first = top * kFan;
  const size_t blocks = std::min(kFan, blocks_.size() - first);
  const Key kept = std::exchange(blocks_[block], kNoKey);
  for (;;) {
    const size_t other = first + PlaceOfLargest(&blocks_[first], blocks);
    if (blocks_[other] <= two.second_key) break;
    if (block_places_[other] != kUnknown) {
      two.second_key = blocks_[other];
      two.second = SlotOf(other);
      break;
    }
    RekeyBlock(other, ranks);
  }
  blocks_[block] = kept;
  for (size_t super = 0; super < supers_.size(); ++super) {
    if (super == top || supers_[super] <= two.second_key) continue;
    const size_t other = Resolve(super, ranks);
    if (supers_[super] <= two.second_key) continue;
    two.second_key = supers_[super];
    two.second = SlotOf(other);
  }
  return two;
}

Slot MaxTree::FirstIn(size_t begin, size_t end, int32_t total) const {
  for (size_t at = begin; at < end;) {
    if (at % (kFan * kFan) == 0 && TotalOf(supers_[at / (kFan * kFan)]) < total) {
      at += kFan * kFan;
      continue;
    }
    const size_t block_end = std::min((at / kFan + 1) * kFan, end);
    if (TotalOf(blocks_[at / kFan]) >= total) {
      for (size_t i = at; i < block_end; ++i) {
        if (leaves_[i] == total) return static_cast<Slot>(i);
      }
    }
    at = block_end;
  }
  return kNoSlot;
}

BestTwo MaxTree::BestFrom(size_t start, std::span<const uint32_t> ranks) {
  const auto first = [&](int32_t total) {
    const Slot after = FirstIn(start, leaves_.size(), total);
    return after != kNoSlot ? after : FirstIn(0, start, total);
  };
  const BestTwo by_rank = Best(ranks);
  BestTwo two;
  if (by_rank.best == kNoSlot) return two;
  const int32_t most = TotalOf(by_rank.best_key);
  two.best = first(most);
  // What is planted is to be wrong, not to crash.
  if (BERTH_PLANTED(kKeepLoweredKey) && two.best == kNoSlot) return by_rank;
  two.best_key = KeyOf(most, ranks[two.best]);
  if (by_rank.second == kNoSlot) return two;
  // The best is out of the way while the second is looked for.
  Set(two.best, -1, ranks);
  const int32_t next = TotalOf(by_rank.second_key);
  two.second = first(next);
  if (BERTH_PLANTED(kKeepLoweredKey) && two.second == kNoSlot) two.second = by_rank.second;
  two.second_key = KeyOf(next, ranks[two.second]);
  Set(two.best, most, ranks);
  return two;
}

Key MaxTree::Bound() const {
  Key bound = kNoKey;
  for (const Key key : supers_) bound = std::max(bound, key);
  return bound;
}

size_t MaxTree::bytes() const {
  return leaves_.capacity() * sizeof(int32_t) +
         (blocks_.capacity() + supers_.capacity()) * (sizeof(Key) + 1);
}

}  // namespace berth::engine
