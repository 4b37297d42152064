// Equal needs once.
#pragma once

#include <cstdint>
#include <map>

#include "state/needs_spec.h"

namespace berth::state {

// Finds, for the needs of a new group, those of another that are the same, and counts users.
//
// Threading: one thread at a time. Cost: O(log n) comparisons of needs.
class NeedsPool {
 public:
  // The needs that stand for all that are equal to these, with one user more: these themselves,
  // when there were none.
  SharedNeeds Acquire(const SharedNeeds& needs) {
    const auto it = users_.try_emplace(needs).first;
    ++it->second;
    return it->first;
  }
  // REQUIRES: Acquire gave them.
  void Release(const SharedNeeds& needs) {
    if (const auto it = users_.find(needs); --it->second == 0) users_.erase(it);
  }
  size_t size() const { return users_.size(); }

 private:
  struct ByContent {
    bool operator()(const SharedNeeds& a, const SharedNeeds& b) const {
      return !a.Is(b) && *a < *b;
    }
  };
  std::map<SharedNeeds, int64_t, ByContent> users_;
};

}  // namespace berth::state
