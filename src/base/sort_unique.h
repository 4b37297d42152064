#pragma once

#include <algorithm>

namespace berth::base {

// Brings a vector into rising order with each value once.
template <typename Vector>
void SortUnique(Vector& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

}  // namespace berth::base
