// Checks, and small readers and writers, that both configurations use.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "config/log_config.h"
#include "yaml/decode.h"
#include "yaml/value.h"

namespace berth::config {

// Largest configuration file that is read.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;

inline constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

// Longest path of a Unix socket, in bytes.
inline constexpr std::size_t kMaxSocketPath = 107;

// Reads an absolute path into *target; with `may_be_empty`, "" too.
void ReadPath(yaml::MapReader& map, std::string_view key, bool may_be_empty, std::string* target);

// Reads "host:port" of a loopback address, or "" for off. `why` says why no other address will do.
void ReadLoopback(yaml::MapReader& map, std::string_view key, std::string_view why,
                  std::string* target);

// Set a member of a map; bytes as "512Mi".
void SetText(yaml::Value& map, const char* key, const std::string& text);
void SetBytes(yaml::Value& map, const char* key, int64_t bytes);

void ReadLog(yaml::MapReader& map, LogConfig* log);
yaml::Value WriteLog(const LogConfig& log);

}  // namespace berth::config
