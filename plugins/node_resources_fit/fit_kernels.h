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
  const float* inverse_capacity = nullptr;
  int32_t request = 0;
};

// Clears bit i of `words`, for i < n, unless allocated[i] + request <= capacity[i] on every column.
void ClearUnfit(std::span<const ResourceColumn> columns, std::span<uint64_t> words, size_t n);

// Adds to sums[i], for i < n, `weight` times the part of the column, of kMaxScore, that would be
// free, or used, or the shape's value of that; nothing where there is no capacity.
// REQUIRES: all weights that are added together are at most 1,600.
void AddFreePart(const ResourceColumn& column, int32_t weight, int32_t* sums, size_t n);
void AddUsedPart(const ResourceColumn& column, int32_t weight, int32_t* sums, size_t n);
void AddShapedPart(const ResourceColumn& column, const UtilizationShape& shape, int32_t weight,
                   int32_t* sums, size_t n);
// Takes from each what goes with idle devices: idle[i], but no more than sums[i].
void TakeIdle(const int32_t* idle, int32_t* sums, size_t n);
// Sets sums[i] to the mean of the free parts of two columns, less what goes with idle devices: what
// nearly every profile asks for, at once.
void SetFreePair(const ResourceColumn& a, const ResourceColumn& b, const int32_t* idle,
                 int32_t* sums, size_t n);
// Divides each by the sum of the weights, rounding down.
void DivideAll(int32_t* sums, int32_t divisor, size_t n);

}  // namespace berth::plugins
