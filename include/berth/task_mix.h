// The tasks that are to come, going by those that came.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth {

inline constexpr size_t kMostMixedTasks = 256;

// Tasks of a mix that are alike by what they ask for of CPU and of devices of one kind.
struct MixedTask {
  int32_t cpu_milli = 0;
  int32_t devices = 0;         // 0: it asks for none of them
  int32_t share_milli = 1000;  // of each
  int32_t weight = 1;          // how many tasks there were

  bool operator==(const MixedTask&) const = default;
};

}  // namespace berth
