#include "features/interval_trust.h"

#include <algorithm>

#include "base/check.h"

namespace berth::features {
namespace {

// How far an outcome outside moves an end and one inside moves it back, together. A larger step
// follows changes faster; where many tasks are submitted before the first ends, it overshoots.
constexpr int32_t kStep = 5'000;
// An end stays between these quantiles, or as far from the other side.
constexpr int32_t kOutermost = 1'000, kInnermost = 450'000;

size_t WidthClass(int64_t low, int64_t high) {
  static constexpr std::array<int, IntervalTrust::kWidths - 1> kHalfDoublings = {1, 2, 4, 6, 10};
  const int codes = EncodeValue(high) - EncodeValue(low);
  size_t width = 0;
  while (width < kHalfDoublings.size() && codes > kHalfDoublings[width] * kCodesOfADoubling / 2) {
    ++width;
  }
  return width;
}

bool WithinTwo(int64_t predicted, int64_t actual) {
  predicted = std::max<int64_t>(predicted, 1);
  actual = std::max<int64_t>(actual, 1);
  return predicted / 2 <= actual && actual / 2 <= predicted;
}

}  // namespace

IntervalTrust::IntervalTrust(int32_t coverage_percent)
    : outside_step_((100 - coverage_percent) * (kStep / 200)) {
  BERTH_CHECK(coverage_percent > 0 && coverage_percent < 100);
  state_.low = std::clamp((100 - coverage_percent) * (kMillion / 200), kOutermost, kInnermost);
  state_.high = kMillion - state_.low;
  // Before anything is known: the wider the interval, the less its middle is to be believed.
  state_.right = {900'000, 750'000, 600'000, 450'000, 300'000, 200'000};
}

int32_t IntervalTrust::Confidence(int64_t low, int64_t high) const {
  return (state_.right[WidthClass(low, high)] + 5'000) / 10'000;
}

void IntervalTrust::Learn(int64_t low, int64_t value, int64_t high, int64_t actual) {
  // Bounds are the middles of codes; an outcome of the same code is not outside.
  const ValueCode seen = EncodeValue(actual);
  state_.low += seen < EncodeValue(low) ? outside_step_ - kStep : outside_step_;
  state_.high += seen > EncodeValue(high) ? kStep - outside_step_ : -outside_step_;
  state_.low = std::clamp(state_.low, kOutermost, kInnermost);
  state_.high = std::clamp(state_.high, kMillion - kInnermost, kMillion - kOutermost);
  int32_t& right = state_.right[WidthClass(low, high)];
  right += ((WithinTwo(value, actual) ? kMillion : 0) - right) / 100;
}

bool IntervalTrust::Restore(const State& state) {
  if (state.low < kOutermost || state.low > kInnermost) return false;
  if (state.high < kMillion - kInnermost || state.high > kMillion - kOutermost) return false;
  for (const int32_t right : state.right) {
    if (right < 0 || right > kMillion) return false;
  }
  state_ = state;
  return true;
}

}  // namespace berth::features
