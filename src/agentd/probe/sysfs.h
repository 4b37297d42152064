// Reads the kernel's small text files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::agentd {

// What a sector is where the kernel counts them, whatever the disk's own are.
inline constexpr int64_t kSectorBytes = 512;

// The file's first line without its end. Absent: it cannot be read, as for a device that has gone
// meanwhile or does not say.
std::optional<std::string> ReadLine(const std::string& path);

// The number that the file's first line begins with. Absent: none, or not readable.
std::optional<int64_t> ReadNumber(const std::string& path);

// Names in the folder, sorted; empty where there is none.
std::vector<std::string> NamesIn(const std::string& folder);

// The CPUs of a list as the kernel writes it, "0-3,8": [0, 1, 2, 3, 8]. What is malformed ends it.
std::vector<int> ParseCpuList(std::string_view list);

}  // namespace berth::agentd
