// What a task is bound by.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth {

// The resource that a task would run faster with more of. The numbers are positions in columns and
// part of what is kept: never give one another meaning.
enum class ComputationClass : uint8_t {
  kCpuBound,
  kMemoryBound,
  kIoBound,
  kNetworkBound,
  kGpuBound
};
inline constexpr size_t kComputationClasses = 5;

}  // namespace berth
