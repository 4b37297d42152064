#pragma once

#include <cstdint>
#include <string>

namespace berth::scheduler {

// Of a profile with a scorer outside: its shapes by what is known of them.
struct ScoredShapeCounts {
  std::string profile;
  uint64_t scored = 0;
  uint64_t stale = 0;
  uint64_t unscored = 0;  // nothing was said of them yet
};

}  // namespace berth::scheduler
