// Which slots have changed, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "berth/ids.h"

namespace berth::state {

// The last changes of a table, numbered from 0 on. A reader keeps the number up to which it has
// read; when the log does not reach back to it any more, everything may have changed.
//
// Invariants: begin() <= end(); entry i, for begin() <= i < end(), is kept at ring_[i mod
// capacity]; the capacity is a power of two.
//
// Threading: owned by whoever owns the table. Cost: O(1) for each call but Reserve.
class DirtyLog {
 public:
  DirtyLog() : ring_(kLeastCapacity) {}

  // The oldest entry that is kept, and the one after the newest.
  [[nodiscard]] uint64_t begin() const { return begin_; }
  [[nodiscard]] uint64_t end() const { return end_; }
  // REQUIRES: begin() <= number < end().
  [[nodiscard]] Slot At(uint64_t number) const { return ring_[number & (ring_.size() - 1)]; }

  void Append(Slot slot) {
    ring_[end_ & (ring_.size() - 1)] = slot;
    ++end_;
    if (end_ - begin_ > ring_.size()) ++begin_;
  }

  // Takes back the entries from `mark` on, as if they had not been made: for trials that are
  // undone. REQUIRES: begin() <= mark <= end().
  void Truncate(uint64_t mark) { end_ = mark; }

  // Keeps at least four entries for each slot of a table, so that a reader who is far behind has
  // nothing to gain from a longer log.
  void Reserve(size_t slots);

 private:
  static constexpr size_t kLeastCapacity = 1 << 12;

  std::vector<Slot> ring_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace berth::state
