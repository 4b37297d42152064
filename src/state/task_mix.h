// What the last tasks that were submitted asked for.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "berth/task_mix.h"
#include "state/job_table.h"

namespace berth::state {

// A count of tasks, made once a day.
struct TaskMix {
  // Alike by CPU and devices.
  struct Sort {
    struct Devices {
      std::string kind;
      int32_t count = 1;
      int32_t share_milli = 1000;

      auto operator<=>(const Devices&) const = default;
    };
    int32_t cpu_milli = 0;
    std::vector<Devices> devices;
    int64_t tasks = 0;

    bool operator==(const Sort&) const = default;
  };

  int64_t day = 0;    // of the loop's time; its first moment is when it was counted
  int64_t tasks = 0;  // in all
  std::vector<Sort> sorts;

  // As plugins see it, for devices of one kind: the most common sorts, those that ask for none of
  // them together. Empty: too few tasks, or none that asks for such devices.
  [[nodiscard]] std::vector<MixedTask> Of(std::string_view kind) const;
};

// Number of the day that a moment of the loop's time is in.
int64_t DayOf(int64_t now_ms);

// Counts the last 10,000 tasks that were submitted before a day, and no more than `window_ms`
// before it. A function of these jobs, so that it is the same whenever it is counted, as long as
// none of them has been forgotten.
// Cost: O(tasks counted + jobs submitted since that day began).
TaskMix CountTaskMix(const JobTable& jobs, int64_t day, int64_t window_ms);

}  // namespace berth::state
