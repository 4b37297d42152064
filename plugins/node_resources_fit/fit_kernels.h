// Loops over resource columns, compiled for several instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "node_resources_fit/scoring_strategy.h"

namespace berth::plugins {

// One resource's columns and what the task asks of it. All amounts in quanta.
struct ResourceColumn {
  const int32_t* capacity = nullptr;
  const int32_t* allocated = nullptr;
  int32_t request = 0;
};

// Clears bit i of `words` unless, on every column, allocated[i] + request <= capacity[i].
// REQUIRES: columns of `n` entries, (n + 63) / 64 words.
void ClearUnfit(std::span<const ResourceColumn> columns, std::span<uint64_t> words, size_t n);

// Adds to scores[i], for i < n, the part `share` of a score (a whole number, 0 to kMaxScore):
// times what would be free of the column, or what would be used, or the shape's value of that.
void AddFreePart(const ResourceColumn& column, double share, int32_t* scores, size_t n);
void AddUsedPart(const ResourceColumn& column, double share, int32_t* scores, size_t n);
void AddShapedPart(const ResourceColumn& column, const UtilizationShape& shape, int32_t share,
                   int32_t* scores, size_t n);

}  // namespace berth::plugins
