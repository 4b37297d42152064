#include "agentd/probe/cpu_probe.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "agentd/probe/sysfs.h"
#include "base/small_file.h"

namespace berth::agentd {
namespace {

// Room for what one mask of sched_getaffinity is given here; the call fails when there are more.
constexpr int kMostAffinityCpus = 8192;
constexpr int kMostNumaNodes = 1024;

// The value of a line "key<blanks>: value". Empty: there is none.
std::string_view ValueOf(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.substr(0, key.size()) != key) continue;
    size_t at = line.find_first_not_of(" \t", key.size());
    if (at == std::string_view::npos || line[at] != ':') continue;
    at = line.find_first_not_of(" \t", at + 1);
    return at == std::string_view::npos ? std::string_view() : line.substr(at);
  }
  return {};
}

int64_t KibibytesOf(std::string_view text, std::string_view key) {
  const std::string_view value = ValueOf(text, key);
  int64_t kibibytes = 0;
  std::from_chars(value.data(), value.data() + value.size(), kibibytes);
  return kibibytes;
}

}  // namespace

std::vector<int> OwnCpus() {
  std::vector<int> cpus;
  cpu_set_t* set = CPU_ALLOC(kMostAffinityCpus);
  const size_t size = CPU_ALLOC_SIZE(kMostAffinityCpus);
  if (sched_getaffinity(0, size, set) == 0) {
    for (int cpu = 0; cpu < kMostAffinityCpus; ++cpu) {
      if (CPU_ISSET_S(cpu, size, set)) cpus.push_back(cpu);
    }
  }
  CPU_FREE(set);
  if (cpus.empty()) {
    for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); ++cpu) {
      cpus.push_back(static_cast<int>(cpu));
    }
  }
  return cpus;
}

std::map<int, std::set<int>> CpusByNuma(const std::string& root, const std::vector<int>& cpus) {
  std::map<int, std::set<int>> nodes;
  const std::string folder = root + "/sys/devices/system/node/";
  for (const int number : ParseCpuList(ReadLine(folder + "online").value_or(""))) {
    const std::string list = folder + "node" + std::to_string(number) + "/cpulist";
    for (const int cpu : ParseCpuList(ReadLine(list).value_or(""))) {
      if (std::binary_search(cpus.begin(), cpus.end(), cpu)) nodes[number].insert(cpu);
    }
  }
  if (nodes.empty()) nodes[0].insert(cpus.begin(), cpus.end());
  return nodes;
}

std::string CpuModel(std::string_view cpuinfo) {
  return std::string(ValueOf(cpuinfo, "model name"));
}

std::vector<NumaNode> ProbeNuma(const std::string& root, const std::vector<int>& cpus) {
  std::vector<NumaNode> nodes;
  const std::string folder = root + "/sys/devices/system/node/";
  for (const int number : ParseCpuList(ReadLine(folder + "online").value_or(""))) {
    if (number >= kMostNumaNodes) break;
    const std::string node = folder + "node" + std::to_string(number);
    nodes.resize(static_cast<size_t>(number) + 1);
    for (const int cpu : ParseCpuList(ReadLine(node + "/cpulist").value_or(""))) {
      if (std::binary_search(cpus.begin(), cpus.end(), cpu)) nodes.back().cpu_milli += 1000;
    }
    if (const auto meminfo = base::ReadSmallFile(node + "/meminfo"); meminfo.ok()) {
      // "Node 0 MemTotal:  24615436 kB"
      const std::string key = "Node " + std::to_string(number) + " MemTotal";
      nodes.back().memory_bytes = KibibytesOf(*meminfo, key) * 1024;
    }
  }
  return nodes;
}

int64_t MemInfoBytes(std::string_view meminfo, std::string_view entry) {
  return KibibytesOf(meminfo, entry) * 1024;
}

}  // namespace berth::agentd
