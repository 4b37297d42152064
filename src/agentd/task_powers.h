#pragma once

#include <string>
#include <vector>

#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// What a node holds its tasks to of what they may ask for, beyond CPU shares, memory and processes.
struct TaskPowers {
  bool cpu_limit = false;
  bool dedicated_cpus = false;
  bool io_weight = false;
};

// What the task asks for in vain, as Attempt.not_enforced says it. Pure.
std::vector<std::string> NotEnforced(const v1::StartTask& start, const TaskPowers& powers);

}  // namespace berth::agentd
