#include "node_resources_fit/fit_kernels.h"

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

bool Fits(std::span<const ResourceColumn> columns, size_t i) {
  for (const ResourceColumn& column : columns) {
    if (column.allocated[i] + column.request > column.capacity[i]) return false;
  }
  return true;
}

}  // namespace

BERTH_VECTOR_KERNEL void ClearUnfit(std::span<const ResourceColumn> columns,
                                    std::span<uint64_t> words, size_t n) {
  if (columns.empty()) return;
  const size_t whole_words = n / 64;
  for (size_t w = 0; w < whole_words; ++w) {
    if (words[w] == 0) continue;
    uint8_t fits[64];
    std::memset(fits, 1, sizeof(fits));
    for (const ResourceColumn& column : columns) {
      const int32_t* capacity = column.capacity + w * 64;
      const int32_t* allocated = column.allocated + w * 64;
      const int32_t request = column.request;
      for (size_t i = 0; i < 64; ++i) {
        fits[i] &= static_cast<uint8_t>(allocated[i] + request <= capacity[i]);
      }
    }
    words[w] &= PackFlags(fits);
  }
  for (size_t i = whole_words * 64; i < n; ++i) {
    if (!Fits(columns, i)) words[i / 64] &= ~(uint64_t{1} << (i % 64));
  }
}

// The amount that would be free may be below 0 and the amount in use above capacity: ExactFraction
// brings both into range.
BERTH_VECTOR_KERNEL void AddFreePart(const ResourceColumn& column, double share, int32_t* scores,
                                     size_t n) {
  const int32_t* __restrict capacity = column.capacity;
  const int32_t* __restrict allocated = column.allocated;
  int32_t* __restrict out = scores;
  const int32_t request = column.request;
  for (size_t i = 0; i < n; ++i) {
    out[i] += ExactFraction(capacity[i] - (allocated[i] + request), capacity[i], share);
  }
}

BERTH_VECTOR_KERNEL void AddUsedPart(const ResourceColumn& column, double share, int32_t* scores,
                                     size_t n) {
  const int32_t* __restrict capacity = column.capacity;
  const int32_t* __restrict allocated = column.allocated;
  int32_t* __restrict out = scores;
  const int32_t request = column.request;
  for (size_t i = 0; i < n; ++i) {
    out[i] += ExactFraction(allocated[i] + request, capacity[i], share);
  }
}

void AddShapedPart(const ResourceColumn& column, const UtilizationShape& shape, int32_t share,
                   int32_t* scores, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (column.capacity[i] == 0) continue;
    const int32_t used =
        ExactFraction(column.allocated[i] + column.request, column.capacity[i], kMaxScore);
    scores[i] += static_cast<int32_t>(int64_t{shape.At(used)} * share / kMaxScore);
  }
}

}  // namespace berth::plugins
