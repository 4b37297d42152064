#include "node_resources_fit/fit_kernels.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "berth/resources.h"
#include "berth/vector_kernel.h"
#include "common/exact_fraction.h"

namespace berth::plugins {
namespace {

// Bit i of the answer is byte i of `flags`; each is 0 or 1. The multiplication moves the eight
// bytes' bits side by side into the top byte; no two of its partial products meet.
[[gnu::always_inline]] inline uint64_t PackFlags(const uint8_t (&flags)[64]) {
  uint64_t packed = 0;
  for (size_t group = 0; group < 8; ++group) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, flags + group * 8, 8);
    packed |= ((bytes * 0x0102040810204080u) >> 56) << (group * 8);
  }
  return packed;
}

}  // namespace

BERTH_VECTOR_KERNEL void ClearUnfit(std::span<const ResourceColumn> columns,
                                    std::span<uint64_t> words, size_t n) {
  size_t first = 0;
  for (; first + 64 <= n; first += 64) {
    if (words[first / 64] == 0) continue;
    uint8_t fits[64];
    std::memset(fits, 1, sizeof(fits));
    for (const ResourceColumn& column : columns) {
      const int32_t* capacity = column.capacity + first;
      const int32_t* allocated = column.allocated + first;
      const int32_t request = column.request;
      for (size_t i = 0; i < 64; ++i) {
        fits[i] &= static_cast<uint8_t>(allocated[i] + request <= capacity[i]);
      }
    }
    words[first / 64] &= PackFlags(fits);
  }
  for (const ResourceColumn& column : columns) {
    for (size_t i = first; i < n; ++i) {
      const bool fits = column.allocated[i] + column.request <= column.capacity[i];
      words[i / 64] &= ~(uint64_t{!fits} << (i % 64));
    }
  }
}

// The amount in use may be above capacity: ScorePart brings it into range.
BERTH_VECTOR_KERNEL void AddFreePart(const ResourceColumn& column, int32_t weight, int32_t* sums,
                                     size_t n) {
  const int32_t* __restrict capacity = column.capacity;
  const int32_t* __restrict allocated = column.allocated;
  const float* __restrict inverse = column.inverse_capacity;
  int32_t* __restrict out = sums;
  const int32_t request = column.request;
  const auto free = [&](size_t i) {
    const int32_t used = ScorePart(allocated[i] + request, capacity[i], inverse[i]);
    return capacity[i] > 0 ? kMaxScore - used : 0;
  };
  if (weight == 1) {  // nearly always, and a multiplication is a tenth of the work
    for (size_t i = 0; i < n; ++i) out[i] += free(i);
  } else {
    for (size_t i = 0; i < n; ++i) out[i] += free(i) * weight;
  }
}

BERTH_VECTOR_KERNEL void AddUsedPart(const ResourceColumn& column, int32_t weight, int32_t* sums,
                                     size_t n) {
  const int32_t* __restrict capacity = column.capacity;
  const int32_t* __restrict allocated = column.allocated;
  const float* __restrict inverse = column.inverse_capacity;
  int32_t* __restrict out = sums;
  const int32_t request = column.request;
  for (size_t i = 0; i < n; ++i) {
    out[i] += ScorePart(allocated[i] + request, capacity[i], inverse[i]) * weight;
  }
}

void AddShapedPart(const ResourceColumn& column, const UtilizationShape& shape, int32_t weight,
                   int32_t* sums, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (column.capacity[i] == 0) continue;
    const int32_t used = ScorePart(column.allocated[i] + column.request, column.capacity[i],
                                   column.inverse_capacity[i]);
    sums[i] += shape.At(used) * weight;
  }
}

BERTH_VECTOR_KERNEL void TakeIdle(const int32_t* idle, int32_t* sums, size_t n) {
  const int32_t* __restrict in = idle;
  int32_t* __restrict out = sums;
  for (size_t i = 0; i < n; ++i) out[i] = std::max(0, out[i] - in[i]);
}

BERTH_VECTOR_KERNEL void SetFreePair(const ResourceColumn& a, const ResourceColumn& b,
                                     const int32_t* idle, int32_t* sums, size_t n) {
  const int32_t* __restrict capacity_a = a.capacity;
  const int32_t* __restrict allocated_a = a.allocated;
  const float* __restrict inverse_a = a.inverse_capacity;
  const int32_t* __restrict capacity_b = b.capacity;
  const int32_t* __restrict allocated_b = b.allocated;
  const float* __restrict inverse_b = b.inverse_capacity;
  const int32_t* __restrict in = idle;
  int32_t* __restrict out = sums;
  const int32_t request_a = a.request;
  const int32_t request_b = b.request;
  for (size_t i = 0; i < n; ++i) {
    const int32_t used_a = ScorePart(allocated_a[i] + request_a, capacity_a[i], inverse_a[i]);
    const int32_t used_b = ScorePart(allocated_b[i] + request_b, capacity_b[i], inverse_b[i]);
    const int32_t free =
        (capacity_a[i] > 0 ? kMaxScore - used_a : 0) + (capacity_b[i] > 0 ? kMaxScore - used_b : 0);
    out[i] = std::max(0, (free >> 1) - in[i]);
  }
}

BERTH_VECTOR_KERNEL void DivideAll(int32_t* sums, int32_t divisor, size_t n) {
  if (std::has_single_bit(static_cast<uint32_t>(divisor))) {
    const int shift = std::countr_zero(static_cast<uint32_t>(divisor));
    for (size_t i = 0; i < n; ++i) sums[i] >>= shift;
    return;
  }
  const float inverse = 1.0F / static_cast<float>(divisor);
  for (size_t i = 0; i < n; ++i) sums[i] = ScoreMean(sums[i], divisor, inverse);
}

}  // namespace berth::plugins
