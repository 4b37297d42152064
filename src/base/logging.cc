#include "base/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/status/status.h"

namespace berth::base {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

LogLevel FromSpdlog(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return LogLevel::kDebug;
    case spdlog::level::info:
      return LogLevel::kInfo;
    case spdlog::level::warn:
      return LogLevel::kWarn;
    default:
      return LogLevel::kError;
  }
}

// Lays lines out by FormatLogRecord instead of by one of spdlog's patterns.
class LineFormatter final : public spdlog::formatter {
 public:
  LineFormatter(LogFormat format, std::string component)
      : format_(format), component_(std::move(component)) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto since_epoch = message.time.time_since_epoch();
    const std::string line = FormatLogRecord(
        {.wall_us = std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count(),
         .level = FromSpdlog(message.level),
         .component = component_,
         .process_id = ::getpid(),
         .file = message.source.filename == nullptr ? "" : message.source.filename,
         .line = message.source.line,
         .message = {message.payload.data(), message.payload.size()}},
        format_);
    out.append(line.data(), line.data() + line.size());
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(format_, component_);
  }

 private:
  const LogFormat format_;
  const std::string component_;
};

// The level is held here and not in the logger: every disabled BERTH_LOG_DEBUG asks for it.
std::atomic<LogLevel>& CurrentLevel() {
  static std::atomic<LogLevel> level = LogLevel::kInfo;
  return level;
}

// Never destroyed: threads may log while the process exits.
spdlog::logger& Logger() {
  static spdlog::logger* const logger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto* made = new spdlog::logger("berth", std::move(sink));
    made->set_formatter(std::make_unique<LineFormatter>(LogFormat::kText, LogOptions().component));
    made->set_level(ToSpdlog(LogLevel::kDebug));  // LogEnabled decides
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *logger;
}

}  // namespace

void InitLogging(const LogOptions& options) {
  // The sink swaps its formatter under the lock that it writes under.
  Logger().set_formatter(std::make_unique<LineFormatter>(options.format, options.component));
  SetLogLevel(options.level);
}

void SetLogLevel(LogLevel level) { CurrentLevel().store(level, std::memory_order_relaxed); }

LogLevel GetLogLevel() { return CurrentLevel().load(std::memory_order_relaxed); }

bool LogEnabled(LogLevel level) { return level != LogLevel::kOff && level >= GetLogLevel(); }

absl::StatusOr<LogLevel> ParseLogLevel(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError, LogLevel::kOff}) {
    if (name == LogLevelName(level)) return level;
  }
  if (name == "warning") return LogLevel::kWarn;
  return absl::InvalidArgumentError(
      fmt::format("log level \"{}\" is unknown: use debug, info, warn, error or off", name));
}

absl::StatusOr<LogFormat> ParseLogFormat(std::string_view name) {
  if (name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError(
      fmt::format("log format \"{}\" is unknown: use text or json", name));
}

void WriteLog(LogLevel level, const char* file, int line, std::string_view message) {
  Logger().log(spdlog::source_loc{file, line, ""}, ToSpdlog(level),
               spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace berth::base
