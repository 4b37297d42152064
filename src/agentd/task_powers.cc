#include "agentd/task_powers.h"

namespace berth::agentd {

std::vector<std::string> NotEnforced(const v1::StartTask& start, const TaskPowers& powers) {
  std::vector<std::string> names;
  if (start.cpu_limit_milli() > 0 && !powers.cpu_limit) names.emplace_back("cpu-limit");
  const bool dedicated = start.cpu_placement() == v1::CPU_PLACEMENT_DEDICATED ||
                         start.cpu_placement() == v1::CPU_PLACEMENT_NUMA;
  if (dedicated && !powers.dedicated_cpus) names.emplace_back("cpu-placement");
  if (start.io_weight() > 0 && !powers.io_weight) names.emplace_back("io-weight");
  if (start.resources().bandwidth_bits_per_s() > 0 &&
      start.network() != v1::NETWORK_MODE_ISOLATED) {
    names.emplace_back("bandwidth");
  }
  return names;
}

}  // namespace berth::agentd
