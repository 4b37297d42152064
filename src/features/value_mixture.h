// Quantiles of values from several groups that count differently, some of them cut short.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "features/value_code.h"

namespace berth::features {

// The distribution that a set of weighted values stands for, by the product-limit estimate (Kaplan
// and Meier): a value that is only known to be at least so much gives its weight to what lies above
// it, and to the largest value where nothing does.
//
// Fixed size, no allocation. Threading: one thread at a time.
class ValueMixture {
 public:
  static constexpr size_t kMost = 256;

  // What comes after kMost values is left out. REQUIRES: weight >= 0, and Settle() not called yet.
  void Add(ValueCode code, bool at_least, double weight);

  // Puts the values in order; once, before any quantile. Cost: O(n log n).
  void Settle();

  [[nodiscard]] bool empty() const { return size_ == 0; }

  // The smallest value that at least a share `p` of the distribution does not exceed.
  // REQUIRES: Settle() called, !empty(), 0 <= p <= 1. Cost: O(log n).
  [[nodiscard]] ValueCode Quantile(double p) const;

 private:
  struct Part {
    ValueCode code;
    bool at_least;
    double weight;
    double up_to;  // share of the distribution at or below
  };

  std::array<Part, kMost> parts_;
  size_t size_ = 0;
};

}  // namespace berth::features
