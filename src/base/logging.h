#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/log_format.h"

// The log of a process: BERTH_LOG_INFO("node {}: registered with {} devices", name, count);
//
// Lines go to standard error. Arguments are formatted by fmt (checked when compiled), and only when
// the level is on. absl::string_view can be an argument; a status as status.ToString(). spdlog
// stays behind this header.
//
// Threading: any thread, lines are never mixed. Errors: a log that cannot be written is not an
// error of the caller's.
namespace berth::base {

struct LogOptions {
  LogLevel level = LogLevel::kInfo;  // least severe level that is written
  LogFormat format = LogFormat::kText;
  std::string component = "berth";  // the program's name in each line
};

// Sets how the process logs. Before the first call lines are text, from kInfo up, by "berth".
// May be called again, as after a reload; lines being written by other threads come out whole, the
// old way or the new.
void InitLogging(const LogOptions& options);

// Changes the level alone, at any time.
void SetLogLevel(LogLevel level);
LogLevel GetLogLevel();

// "debug", "info", "warn" (or "warning"), "error", "off"; "text", "json". Lower case only.
// InvalidArgument names the value and those that are allowed.
absl::StatusOr<LogLevel> ParseLogLevel(std::string_view name);
absl::StatusOr<LogFormat> ParseLogFormat(std::string_view name);

// Whether a message of this level would be written. Cost: one relaxed load.
bool LogEnabled(LogLevel level);

// Writes a message; use the macros. `file` lives as long as the process.
void WriteLog(LogLevel level, const char* file, int line, std::string_view message);

}  // namespace berth::base

#define BERTH_LOG_AT_(level, ...)                                                     \
  do {                                                                                \
    if (::berth::base::LogEnabled(level)) {                                           \
      ::berth::base::WriteLog(level, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
    }                                                                                 \
  } while (false)

#define BERTH_LOG_DEBUG(...) BERTH_LOG_AT_(::berth::base::LogLevel::kDebug, __VA_ARGS__)
#define BERTH_LOG_INFO(...) BERTH_LOG_AT_(::berth::base::LogLevel::kInfo, __VA_ARGS__)
#define BERTH_LOG_WARN(...) BERTH_LOG_AT_(::berth::base::LogLevel::kWarn, __VA_ARGS__)
#define BERTH_LOG_ERROR(...) BERTH_LOG_AT_(::berth::base::LogLevel::kError, __VA_ARGS__)

// "{}" alone, without width or alignment: those need <fmt/format.h>, which would triple the cost of
// this header.
template <>
struct fmt::formatter<absl::string_view> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

  template <typename Context>
  auto format(absl::string_view text, Context& context) const {
    return std::copy(text.begin(), text.end(), context.out());
  }
};
