// What berth-files writes before the bytes of what it reads. It never leaves the machine.
#pragma once

#include <cstdint>

namespace berth::files {

inline constexpr char kFileMagic[8] = {'B', 'E', 'R', 'T', 'H', 'F', '1', '\n'};

struct FileHeader {
  char magic[8] = {'B', 'E', 'R', 'T', 'H', 'F', '1', '\n'};
  int64_t size = 0;      // of a file, bytes; 0 for a folder
  uint32_t mode = 0;     // permission bits
  uint32_t archive = 0;  // 1: a folder, as a tar archive
};

// Exit codes of berth-files; what went wrong is on its standard error in one line.
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNotFound = 3;
inline constexpr int kNotAllowed = 4;

}  // namespace berth::files
