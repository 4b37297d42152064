#pragma once

#include <algorithm>
#include <cstdint>

#include "base/rng.h"

namespace berth::agentd {

// How long to wait before connecting again: doubles from `first_ms` to `most_ms`, and each wait is
// drawn from its upper half, so that the agents of a cluster do not come back all at once.
//
// Threading: one thread.
class Backoff {
 public:
  Backoff(int64_t first_ms, int64_t most_ms, uint64_t seed)
      : first_ms_(first_ms), most_ms_(most_ms), next_ms_(first_ms), rng_(seed) {}

  int64_t NextMs() {
    const int64_t wait = next_ms_;
    next_ms_ = std::min(most_ms_, next_ms_ * 2);
    return wait - static_cast<int64_t>(rng_.Uniform(static_cast<uint64_t>(wait / 2 + 1)));
  }

  void Reset() { next_ms_ = first_ms_; }

 private:
  const int64_t first_ms_;
  const int64_t most_ms_;
  int64_t next_ms_;
  base::Rng rng_;
};

}  // namespace berth::agentd
