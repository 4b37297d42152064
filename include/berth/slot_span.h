// The slots that a plugin is asked about, and a mask over them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "berth/ids.h"
#include "berth/node_mask.h"

namespace berth {

// The columns of a list of slots, gathered once for all plugins that are asked about it.
//
// Threading: one list at a time.
class GatheredColumns {
 public:
  // Most slots of a list for which columns are kept.
  static constexpr size_t kMostSlots = 1024;

  // Forgets what was gathered: another list, or columns that have changed.
  void Clear() { count_ = 0; }

  // The column's values for the slots of the list. Null: more columns are asked for than are kept.
  template <typename Value>
  const Value* Values(std::span<const Value> column, std::span<const Slot> slots) {
    static_assert(sizeof(Value) == sizeof(uint32_t));
    for (size_t i = 0; i < count_; ++i) {
      if (sources_[i] == column.data())
        return reinterpret_cast<const Value*>(&values_[i * kStride]);
    }
    if (count_ == kMostColumns) return nullptr;
    if (values_.empty()) values_.resize(kMostColumns * kStride);
    auto* values = reinterpret_cast<Value*>(&values_[count_ * kStride]);
    for (size_t i = 0; i < slots.size(); ++i) values[i] = column[slots[i]];
    sources_[count_++] = column.data();
    return values;
  }

 private:
  static constexpr size_t kMostColumns = 16;
  // A line more, so that columns do not fall on each other in the cache.
  static constexpr size_t kStride = kMostSlots + 16;

  size_t count_ = 0;
  std::array<const void*, kMostColumns> sources_{};
  std::vector<uint32_t> values_;
};

// Slots in an order: a range, or a list of those that changed. Answers about a span stand at the
// positions of its slots, from 0 on; what belongs to slots outside of it is nowhere.
//
// Threading: a plain value; a list is not owned.
class SlotSpan {
 public:
  // [first, first + count). REQUIRES: first is a multiple of 64, so that words of masks line up.
  static constexpr SlotSpan Range(Slot first, size_t count) { return {nullptr, first, count}; }
  static constexpr SlotSpan All(size_t size) { return Range(0, size); }
  // Each slot at most once, in any order. `gathered`, if given, is for this very list of at most
  // GatheredColumns::kMostSlots.
  static constexpr SlotSpan List(std::span<const Slot> slots, GatheredColumns* gathered = nullptr) {
    SlotSpan span(slots.data(), 0, slots.size());
    span.gathered_ = gathered;
    return span;
  }

  constexpr size_t size() const { return size_; }
  constexpr bool is_range() const { return list_ == nullptr; }
  // REQUIRES: is_range().
  constexpr Slot first() const { return first_; }
  // REQUIRES: position < size().
  constexpr Slot operator[](size_t position) const {
    return list_ == nullptr ? first_ + static_cast<Slot>(position) : list_[position];
  }

  // Calls f(position, slot) for each, in order of position.
  template <typename F>
  constexpr void ForEach(F&& f) const {
    if (list_ == nullptr) {
      for (size_t i = 0; i < size_; ++i) f(i, first_ + static_cast<Slot>(i));
    } else {
      for (size_t i = 0; i < size_; ++i) f(i, list_[i]);
    }
  }

 private:
  friend class SlotBlock;

  // An empty list has no address of its own either; it is a range of none.
  constexpr SlotSpan(const Slot* list, Slot first, size_t size)
      : list_(list), first_(first), size_(size) {}

  const Slot* list_;  // null: a range
  Slot first_;
  size_t size_;
  GatheredColumns* gathered_ = nullptr;
};

// Words that hold a bit for each of `size` positions.
constexpr size_t WordsFor(size_t size) { return (size + 63) / 64; }

// A bit for each position of a span: the nodes that still may run the task. Bits past the last
// position are 0.
//
// Threading: a view of words that somebody else owns. Cost: And and AndNot take a step for each 64
// slots of a range, and one for each slot of a list.
class SlotMask {
 public:
  // REQUIRES: words.size() == WordsFor(slots.size()).
  SlotMask(SlotSpan slots, std::span<uint64_t> words) : slots_(slots), words_(words) {}

  const SlotSpan& slots() const { return slots_; }

  // REQUIRES: position < slots().size(), for both.
  bool Test(size_t position) const { return ((words_[position / 64] >> (position % 64)) & 1) != 0; }
  void Clear(size_t position) { words_[position / 64] &= ~(uint64_t{1} << (position % 64)); }

  // Clears the slots that are not in `nodes`, or that are. REQUIRES: `nodes` has a bit for each.
  void And(const NodeMask& nodes) {
    Combine(nodes, [](uint64_t bits) { return bits; });
  }
  void AndNot(const NodeMask& nodes) {
    Combine(nodes, [](uint64_t bits) { return ~bits; });
  }

  bool Any() const {
    return std::any_of(words_.begin(), words_.end(), [](uint64_t word) { return word != 0; });
  }
  int64_t Count() const {
    int64_t count = 0;
    for (const uint64_t word : words_) count += std::popcount(word);
    return count;
  }

  // Calls f(position, slot) for each bit that is set. f may clear the bit it is called for.
  template <typename F>
  void ForEach(F&& f) const {
    for (size_t w = 0; w < words_.size(); ++w) {
      for (uint64_t bits = words_[w]; bits != 0; bits &= bits - 1) {
        const size_t position = w * 64 + static_cast<size_t>(std::countr_zero(bits));
        f(position, slots_[position]);
      }
    }
  }

  // For kernels; a writer leaves the bits past the last position at 0.
  std::span<uint64_t> words() { return words_; }
  std::span<const uint64_t> words() const { return words_; }

 private:
  template <typename F>
  void Combine(const NodeMask& nodes, F&& change) {
    if (slots_.is_range()) {
      const auto part = nodes.words().subspan(slots_.first() / 64, words_.size());
      for (size_t w = 0; w < words_.size(); ++w) words_[w] &= change(part[w]);
      return;
    }
    for (size_t i = 0; i < slots_.size(); ++i) {
      if ((change(uint64_t{nodes.Test(slots_[i])}) & 1) == 0) Clear(i);
    }
  }

  SlotSpan slots_;
  std::span<uint64_t> words_;
};

// Positions that a kernel is given at once: its intermediate columns lie on the stack and in the
// first cache. Of a list fewer, since its columns are gathered there first.
inline constexpr size_t kSlotBlock = 1024;
inline constexpr size_t kListBlock = 128;
template <typename Value>
using BlockBuffer = std::array<Value, kListBlock>;

// A part of a span, of at most kSlotBlock positions, with columns in its order.
class SlotBlock {
 public:
  // Positions [begin, begin + size) of a span.
  SlotBlock(const SlotSpan& slots, size_t begin, size_t size)
      : slots_(slots), begin_(begin), size_(size) {}

  // Of the first of its positions in the whole span.
  size_t begin() const { return begin_; }
  size_t size() const { return size_; }

  // The column's values for these slots: where they stand, or gathered, at the latest into
  // `buffer`.
  template <typename Value>
  const Value* Values(std::span<const Value> column, BlockBuffer<Value>& buffer) const {
    if (slots_.is_range()) return column.data() + slots_.first() + begin_;
    if (slots_.gathered_ != nullptr) {
      const Value* values = slots_.gathered_->Values(column, {slots_.list_, slots_.size()});
      if (values != nullptr) return values + begin_;
    }
    for (size_t i = 0; i < size_; ++i) buffer[i] = column[slots_.list_[begin_ + i]];
    return buffer.data();
  }

 private:
  const SlotSpan& slots_;
  size_t begin_;
  size_t size_;
};

// Calls f(block) for the blocks that a span consists of, in order.
template <typename F>
void ForEachBlock(const SlotSpan& slots, F&& f) {
  const size_t most = slots.is_range() ? kSlotBlock : kListBlock;
  for (size_t begin = 0; begin < slots.size(); begin += most) {
    f(SlotBlock(slots, begin, std::min(most, slots.size() - begin)));
  }
}

}  // namespace berth
