#include "state/dirty_log.h"

#include <bit>
#include <utility>

namespace berth::state {

void DirtyLog::Reserve(size_t slots) {
  const size_t wanted = std::bit_ceil(slots * 4);
  if (wanted <= ring_.size()) return;
  std::vector<Slot> ring(wanted);
  for (uint64_t i = begin_; i < end_; ++i) ring[i & (wanted - 1)] = At(i);
  ring_ = std::move(ring);
}

}  // namespace berth::state
