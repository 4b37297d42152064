#include "features/value_mixture.h"

#include <algorithm>

namespace berth::features {

void ValueMixture::Add(ValueCode code, bool at_least, double weight) {
  if (size_ == kMost || weight <= 0) return;
  parts_[size_++] = {.code = code, .at_least = at_least, .weight = weight, .up_to = 0};
}

void ValueMixture::Settle() {
  const std::span<Part> parts(parts_.data(), size_);
  // Of equals the known ones first: what was cut short at a value may have gone on. Weight last, so
  // that the sums below do not depend on the order in which parts came.
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    if (a.code != b.code) return a.code < b.code;
    if (a.at_least != b.at_least) return b.at_least;
    return a.weight < b.weight;
  });
  double at_risk = 0;
  for (const Part& part : parts) at_risk += part.weight;
  double above = 1;
  for (Part& part : parts) {
    if (!part.at_least) above *= std::max(0.0, 1 - part.weight / at_risk);
    at_risk = std::max(at_risk - part.weight, part.weight * 1e-9);
    part.up_to = 1 - above;
  }
}

ValueCode ValueMixture::Quantile(double p) const {
  const std::span<const Part> parts(parts_.data(), size_);
  // Rounding in the sums must not carry a quantile past the value that it falls on.
  const auto found =
      std::lower_bound(parts.begin(), parts.end(), p - 1e-9,
                       [](const Part& part, double share) { return part.up_to < share; });
  return found == parts.end() ? parts.back().code : found->code;
}

}  // namespace berth::features
