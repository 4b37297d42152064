// What both versions of control groups read and say alike.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "agentd/cgroups/cgroups.h"
#include "agentd/cgroups/cpu_pool.h"

namespace berth::agentd {

// The sum of the numbers that directly follow `label`, wherever it stands in `text`. Pure.
int64_t SumAfter(std::string_view text, std::string_view label);

// Why a task does not get the CPUs that it asks for. ResourceExhausted.
absl::Status TooFewCpus(const CpuPool& cpus, const TaskLimits& limits);

}  // namespace berth::agentd
