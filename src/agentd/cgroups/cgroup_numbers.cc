#include "agentd/cgroups/cgroup_numbers.h"

#include <charconv>
#include <string>

#include "base/strings.h"

namespace berth::agentd {

int64_t SumAfter(std::string_view text, std::string_view label) {
  int64_t sum = 0;
  for (size_t at = text.find(label); at != std::string_view::npos; at = text.find(label, at)) {
    at += label.size();
    int64_t number = 0;
    std::from_chars(text.data() + at, text.data() + text.size(), number);
    sum += number;
  }
  return sum;
}

absl::Status TooFewCpus(const CpuPool& cpus, const TaskLimits& limits) {
  const std::string most = std::to_string(cpus.most(limits.one_numa_node));
  return absl::ResourceExhaustedError(base::A(
      "it asks for " + std::to_string(limits.dedicated_cpus) + " CPUs of its own" +
      (limits.one_numa_node ? " on one NUMA node" : "") + ", and the node can give " + most +
      " now (one stays for the tasks that share): ask for fewer, or for shared ones"));
}

}  // namespace berth::agentd
