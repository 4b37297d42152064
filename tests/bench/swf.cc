#include "tests/bench/swf.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace berth::bench {
namespace {

[[noreturn]] void Stop(const std::string& path, const char* why) {
  std::fprintf(stderr, "%s: %s\n", path.c_str(), why);
  std::exit(1);
}

std::string Contents(const std::string& path) {
  archive* reader = archive_read_new();
  archive_read_support_filter_all(reader);
  archive_read_support_format_raw(reader);
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(reader, path.c_str(), 1 << 16) != ARCHIVE_OK ||
      archive_read_next_header(reader, &entry) != ARCHIVE_OK) {
    Stop(path, archive_error_string(reader));
  }
  std::string contents;
  std::array<char, 1 << 16> block;
  for (;;) {
    const la_ssize_t got = archive_read_data(reader, block.data(), block.size());
    if (got < 0) Stop(path, archive_error_string(reader));
    if (got == 0) break;
    contents.append(block.data(), static_cast<size_t>(got));
  }
  archive_read_free(reader);
  return contents;
}

}  // namespace

std::vector<SwfJob> ReadSwf(const std::string& path) {
  std::vector<SwfJob> jobs;
  std::istringstream lines(Contents(path));
  std::string line;
  while (std::getline(lines, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos || line[0] == ';') continue;
    std::istringstream words(line);
    std::array<double, 18> columns;
    for (double& column : columns) {
      if (!(words >> column)) Stop(path, "a line has fewer than 18 columns");
    }
    const auto at = [&](size_t column) { return static_cast<int64_t>(columns[column - 1]); };
    if (at(4) < 0) continue;
    jobs.push_back({.submit_s = at(2),
                    .wait_s = at(3),
                    .run_s = at(4),
                    .processors = at(5),
                    .memory_kib = at(7),
                    .asked_processors = at(8),
                    .asked_s = at(9),
                    .status = at(11),
                    .user = at(12),
                    .program = at(14),
                    .queue = at(15),
                    .partition = at(16)});
  }
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const SwfJob& a, const SwfJob& b) { return a.submit_s < b.submit_s; });
  return jobs;
}

}  // namespace berth::bench
