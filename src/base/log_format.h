#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

enum class LogFormat {
  kText,  // a line for people
  kJson,  // an object a line, fields named after the Elastic Common Schema
};

// "debug", "info", "warn", "error", "off".
std::string_view LogLevelName(LogLevel level);

// One message with all that a line of the log says about it.
struct LogRecord {
  std::int64_t wall_us = 0;  // microseconds since 1970-01-01 UTC
  LogLevel level = LogLevel::kInfo;
  std::string_view component;  // the program: "berthd"
  std::int64_t process_id = 0;
  std::string_view file;  // from the root of the repository
  int line = 0;
  std::string_view message;
};

// The record as one line, its newline included.
//
// Whatever the message holds, the result is one line of valid UTF-8 without control characters:
// parts of messages come from users, and must not be able to forge lines or to drive a terminal. In
// text such bytes appear as \n, \x1b or \u2028; in JSON as the language's own escapes. Cost:
// O(message), one allocation as a rule.
std::string FormatLogRecord(const LogRecord& record, LogFormat format);

}  // namespace berth::base
