// A set of slots, as a bitmap.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "berth/ids.h"

namespace berth {

// Bit i stands for slot i. Bits at and past size() are always 0, so that words can be combined and
// counted without a mask for the last one.
//
// Threading: a plain value. Cost: word operations are O(size / 64); Test, Set and Clear are O(1).
class NodeMask {
 public:
  NodeMask() = default;
  explicit NodeMask(size_t size) { Resize(size); }

  size_t size() const { return size_; }

  // Grows or shrinks; new bits are 0.
  void Resize(size_t size) {
    words_.resize((size + 63) / 64, 0);
    size_ = size;
    TrimTail();
  }

  // REQUIRES: slot < size(), for each of these.
  bool Test(Slot slot) const { return (words_[slot / 64] >> (slot % 64)) & 1; }
  void Set(Slot slot) { words_[slot / 64] |= uint64_t{1} << (slot % 64); }
  void Clear(Slot slot) { words_[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }
  void Assign(Slot slot, bool value) { value ? Set(slot) : Clear(slot); }

  // REQUIRES: other.size() == size(), for each of these.
  void And(const NodeMask& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  void AndNot(const NodeMask& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  }

  int64_t Count() const {
    int64_t n = 0;
    for (uint64_t w : words_) n += std::popcount(w);
    return n;
  }
  bool Any() const {
    for (uint64_t w : words_) {
      if (w != 0) return true;
    }
    return false;
  }

  // Calls f(slot) for each set bit, in rising order. f may clear the bit that it is called for.
  template <typename F>
  void ForEach(F&& f) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t w = words_[i]; w != 0; w &= w - 1) {
        f(static_cast<Slot>(i * 64 + static_cast<size_t>(std::countr_zero(w))));
      }
    }
  }

  // Words for vector kernels; a writer must leave the bits past size() at 0.
  std::span<const uint64_t> words() const { return words_; }
  std::span<uint64_t> mutable_words() { return words_; }

  bool operator==(const NodeMask&) const = default;

 private:
  void TrimTail() {
    if (size_ % 64 != 0) words_.back() &= (uint64_t{1} << (size_ % 64)) - 1;
  }

  std::vector<uint64_t> words_;
  size_t size_ = 0;
};

}  // namespace berth
