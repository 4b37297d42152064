#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace berth::agentd {

// Rows or columns of a terminal, as the kernel takes them; 0: not known. Threading: any.
inline uint16_t WindowDimension(int32_t wanted) {
  return static_cast<uint16_t>(
      std::clamp<int32_t>(wanted, 0, std::numeric_limits<uint16_t>::max()));
}

}  // namespace berth::agentd
