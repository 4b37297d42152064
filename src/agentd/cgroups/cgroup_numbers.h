// What both versions of control groups read and say alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/cgroups/cpu_pool.h"

namespace berth::agentd {

// What the name of a task's cgroup begins with; a number follows.
inline constexpr std::string_view kTaskPrefix = "task-";

inline constexpr int64_t kQuotaPeriodUs = 100'000;

// CPU time in each period for so many milli-CPUs; the kernel takes no less than 1 ms.
inline int64_t QuotaUs(int64_t cpu_milli) {
  constexpr int64_t kLeastQuotaUs = 1'000;
  return std::max(cpu_milli * kQuotaPeriodUs / 1000, kLeastQuotaUs);
}

// The sum of the numbers that directly follow `label`, wherever it stands in `text`. Pure.
int64_t SumAfter(std::string_view text, std::string_view label);

// Why a task does not get the CPUs that it asks for. ResourceExhausted.
absl::Status TooFewCpus(const CpuPool& cpus, const TaskLimits& limits);

}  // namespace berth::agentd
