// Scores of nodes that come from outside of the loop, by shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "berth/ids.h"
#include "state/shape_id.h"

namespace berth::state {

// A column of scores for each of some shapes; whoever puts them here says how long they hold.
//
// Invariants: every score is from 0 to kMaxScore; a slot that has got another node since a column
// was put has 0 in it.
//
// Threading: owned by the loop's thread. Cost: O(log columns) but for Clear, which is O(columns).
class OutsideScores {
 public:
  // Takes the place of the shape's column. False: that had the same scores.
  bool Put(ShapeId shape, std::vector<int32_t> scores);
  // False: there was none.
  bool Drop(ShapeId shape) { return columns_.erase(shape) > 0; }
  // Another node has come into the slot.
  void Clear(Slot slot);

  // By slot; slots past the end have no score. Empty: there is no column. Valid until the shape's
  // column is put or dropped.
  std::span<const int32_t> Of(ShapeId shape) const;
  size_t size() const { return columns_.size(); }

 private:
  std::map<ShapeId, std::vector<int32_t>> columns_;
};

}  // namespace berth::state
