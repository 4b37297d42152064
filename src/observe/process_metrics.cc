#include "observe/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/small_file.h"
#include "observe/families.h"

namespace berth::observe {
namespace {

// Of /proc/self/stat; numbered as in proc(5).
struct Stat {
  double cpu_seconds = 0;
  double start_seconds = 0;  // since boot
  double threads = 0;
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

std::optional<Stat> ReadStat() {
  const auto text = base::ReadSmallFile("/proc/self/stat");
  if (!text.ok()) return std::nullopt;
  // The name, field 2, is in brackets and may hold anything: count from the last bracket.
  const size_t bracket = text->rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::istringstream rest(text->substr(bracket + 1));
  const std::vector<std::string> words{std::istream_iterator<std::string>(rest), {}};
  const auto field = [&](size_t number) {
    const size_t place = number - 3;
    return place < words.size() ? std::strtod(words[place].c_str(), nullptr) : 0;
  };
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return Stat{.cpu_seconds = (field(14) + field(15)) / ticks_per_second,
              .start_seconds = field(22) / ticks_per_second,
              .threads = field(20),
              .virtual_bytes = field(23),
              .resident_bytes = field(24) * page_bytes};
}

// When the machine started, in seconds since 1970.
std::optional<double> BootTime() {
  const auto text = base::ReadSmallFile("/proc/stat");
  if (!text.ok()) return std::nullopt;
  const size_t line = text->find("\nbtime ");
  if (line == std::string::npos) return std::nullopt;
  return std::strtod(text->c_str() + line + 7, nullptr);
}

std::optional<double> CountOpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error) return std::nullopt;
  // One of them is what reads the folder.
  return static_cast<double>(std::distance(begin(files), end(files))) - 1;
}

}  // namespace

ProcessMetrics::ProcessMetrics(std::string version, std::string cluster_name)
    : version_(std::move(version)), cluster_name_(std::move(cluster_name)) {}

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  families.push_back(GaugeFamily("berth_build_info",
                                 "Always 1; the labels are the program's version and clusterName.",
                                 "version", {{version_, 1}}));
  if (!cluster_name_.empty()) {
    families[0].metric[0].label.push_back({.name = "cluster", .value = cluster_name_});
  }
  if (const auto stat = ReadStat()) {
    families.push_back(CounterFamily("process_cpu_seconds_total",
                                     "CPU time of the process, in user and kernel mode.",
                                     stat->cpu_seconds));
    families.push_back(GaugeFamily("process_resident_memory_bytes",
                                   "Main memory that the process holds.", stat->resident_bytes));
    families.push_back(GaugeFamily("process_virtual_memory_bytes", "Address space of the process.",
                                   stat->virtual_bytes));
    families.push_back(GaugeFamily("process_threads", "Threads of the process.", stat->threads));
    if (const auto boot = BootTime()) {
      families.push_back(GaugeFamily("process_start_time_seconds",
                                     "When the process started, in seconds since 1970.",
                                     *boot + stat->start_seconds));
    }
  }
  if (const auto files = CountOpenFiles()) {
    families.push_back(
        GaugeFamily("process_open_fds", "File descriptors that the process has open.", *files));
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(GaugeFamily("process_max_fds",
                                   "File descriptors that the process may have open.",
                                   static_cast<double>(limit.rlim_cur)));
  }
  return families;
}

}  // namespace berth::observe
