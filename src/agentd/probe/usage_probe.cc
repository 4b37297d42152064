#include "agentd/probe/usage_probe.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "agentd/probe/cpu_probe.h"
#include "base/small_file.h"

namespace berth::agentd {

v1::Usage ProbeUsage() {
  v1::Usage usage;
  const absl::StatusOr<std::string> stat = base::ReadSmallFile("/proc/stat");
  if (stat.ok()) usage.set_cpu_time_ms(BusyCpuMs(*stat, sysconf(_SC_CLK_TCK)));
  const absl::StatusOr<std::string> meminfo = base::ReadSmallFile("/proc/meminfo");
  if (meminfo.ok()) {
    usage.set_memory_bytes(MemInfoBytes(*meminfo, "MemTotal") -
                           MemInfoBytes(*meminfo, "MemAvailable"));
  }
  return usage;
}

int64_t BusyCpuMs(std::string_view stat, int64_t ticks_per_second) {
  // "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...": all but the fourth and fifth; what
  // comes after the eighth is part of the first two.
  if (stat.substr(0, 4) != "cpu " || ticks_per_second <= 0) return 0;
  const char* at = stat.data() + 4;
  const char* end = stat.data() + std::min(stat.find('\n'), stat.size());
  int64_t ticks = 0;
  for (int field = 0; field < 8 && at < end; ++field) {
    while (at < end && *at == ' ') ++at;
    int64_t number = 0;
    at = std::from_chars(at, end, number).ptr;
    if (field != 3 && field != 4) ticks += number;
  }
  return ticks * 1000 / ticks_per_second;
}

}  // namespace berth::agentd
