#include "features/features.h"

#include <algorithm>

namespace berth::features {

ComputationClass PrimaryClass(const ClassWeights& weights) {
  const auto most = std::max_element(weights.begin(), weights.end());
  return static_cast<ComputationClass>(most - weights.begin());
}

}  // namespace berth::features
