#include "state/outside_scores.h"

#include <utility>

namespace berth::state {

bool OutsideScores::Put(ShapeId shape, std::vector<int32_t> scores) {
  const auto [it, is_new] = columns_.try_emplace(shape);
  if (!is_new && it->second == scores) return false;
  it->second = std::move(scores);
  return true;
}

void OutsideScores::Clear(Slot slot) {
  for (auto& [shape, scores] : columns_) {
    if (slot < scores.size()) scores[slot] = 0;
  }
}

std::span<const int32_t> OutsideScores::Of(ShapeId shape) const {
  const auto it = columns_.find(shape);
  if (it == columns_.end()) return {};
  return it->second;
}

}  // namespace berth::state
