#include "features/recent_values.h"

#include <algorithm>

namespace berth::features {

Weight HalvingWeight(int64_t sixteenths) {
  // 65536 × 2^(-i/16): written out, for a machine's exp2 need not round like another's.
  static constexpr std::array<Weight, 16> kSteps = {65536, 62757, 60096, 57548, 55108, 52772,
                                                    50535, 48392, 46340, 44376, 42494, 40693,
                                                    38967, 37315, 35733, 34218};
  if (sixteenths >= int64_t{17} * 16) return 0;
  sixteenths = std::max<int64_t>(sixteenths, 0);
  return kSteps[static_cast<size_t>(sixteenths % 16)] >> (sixteenths / 16);
}

void RecentValues::Add(const SeenValue& value) {
  if (ring_.size() < kMost) {
    if (ring_.size() == ring_.capacity()) {
      ring_.reserve(std::clamp<size_t>(ring_.size() * 2, 2, kMost));
    }
    ring_.push_back(value);
    return;
  }
  ring_[next_] = value;
  next_ = static_cast<uint8_t>((next_ + 1) % kMost);
}

const SeenValue& RecentValues::Newest(size_t i) const {
  // Before the ring is full next_ is 0, and the newest is the last.
  return ring_[(next_ + ring_.size() - 1 - i) % ring_.size()];
}

Weight RecentValues::WeightOf(size_t i, int64_t now_s, const Decay& decay) const {
  const int64_t at_s = Newest(i).at_s;
  const int64_t age_s = now_s > at_s ? now_s - at_s : 0;
  if (age_s / decay.seconds >= 17) return 0;  // and times as far as there are do not overflow below
  return HalvingWeight(static_cast<int64_t>(i) * 16 / decay.ends + age_s * 16 / decay.seconds);
}

uint64_t RecentValues::TotalWeight(int64_t now_s, const Decay& decay) const {
  uint64_t total = 0;
  for (size_t i = 0; i < size(); ++i) total += WeightOf(i, now_s, decay);
  return total;
}

}  // namespace berth::features
