#include "agentd/probe/sysfs.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "base/small_file.h"

namespace berth::agentd {
namespace {

constexpr int kMostCpuNumbers = 1 << 16;

}  // namespace

std::optional<std::string> ReadLine(const std::string& path) {
  auto text = base::ReadSmallFile(path);
  if (!text.ok()) return std::nullopt;
  return text->substr(0, text->find('\n'));
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  const auto line = ReadLine(path);
  if (!line) return std::nullopt;
  int64_t number = 0;
  const auto read = std::from_chars(line->data(), line->data() + line->size(), number);
  if (read.ec != std::errc()) return std::nullopt;
  return number;
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<int> ParseCpuList(std::string_view list) {
  std::vector<int> cpus;
  const char* at = list.data();
  const char* const end = at + list.size();
  while (at < end) {
    int first = 0;
    auto read = std::from_chars(at, end, first);
    if (read.ec != std::errc()) break;
    int last = first;
    if (read.ptr < end && *read.ptr == '-') {
      read = std::from_chars(read.ptr + 1, end, last);
      if (read.ec != std::errc()) break;
    }
    if (first < 0 || last < first || last >= kMostCpuNumbers) break;
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    at = read.ptr;
    if (at < end && *at == ',') ++at;
  }
  return cpus;
}

}  // namespace berth::agentd
