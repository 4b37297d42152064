#include "base/log_format.h"

#include <fmt/core.h>

#include <ctime>

#include "base/utf8.h"

namespace berth::base {
namespace {

// The version of the Elastic Common Schema whose field names the JSON lines use.
constexpr std::string_view kEcsVersion = "8.6.0";

// "2026-11-20T14:03:05.123456Z"
std::string Rfc3339(std::int64_t wall_us) {
  std::int64_t seconds = wall_us / 1'000'000;
  std::int64_t micros = wall_us % 1'000'000;
  if (micros < 0) {  // before 1970
    micros += 1'000'000;
    --seconds;
  }
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     micros);
}

// Characters that end a line, move a cursor or reorder what is shown: C0 and C1 controls, DEL, line
// and paragraph separators, and the marks for writing direction.
bool IsUnsafe(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

void AppendEscapedText(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const Utf8Character c = DecodeUtf8(text);
    if (!c.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (c.code_point == '\n') {
      out += "\\n";
    } else if (c.code_point == '\t') {
      out += "\\t";
    } else if (c.code_point == '\r') {
      out += "\\r";
    } else if (IsUnsafe(c.code_point)) {
      out += c.code_point < 0x80 ? fmt::format("\\x{:02x}", static_cast<unsigned>(c.code_point))
                                 : fmt::format("\\u{:04x}", static_cast<unsigned>(c.code_point));
    } else {
      out += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
}

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const Utf8Character c = DecodeUtf8(text);
    if (!c.valid) {
      out += "\\ufffd";
    } else if (c.code_point == '"' || c.code_point == '\\') {
      out += '\\';
      out += static_cast<char>(c.code_point);
    } else if (IsUnsafe(c.code_point)) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c.code_point));
    } else {
      out += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  out += '"';
}

std::string FormatText(const LogRecord& record) {
  std::string out = fmt::format("{} {:<5} {}[{}]: ", Rfc3339(record.wall_us),
                                LogLevelName(record.level), record.component, record.process_id);
  AppendEscapedText(record.message, out);
  out += fmt::format(" ({}:{})\n", record.file, record.line);
  return out;
}

std::string FormatJson(const LogRecord& record) {
  std::string out = fmt::format(R"({{"@timestamp":"{}","log.level":"{}","message":)",
                                Rfc3339(record.wall_us), LogLevelName(record.level));
  AppendJsonString(record.message, out);
  out += fmt::format(R"(,"ecs.version":"{}","service.name":)", kEcsVersion);
  AppendJsonString(record.component, out);
  out += fmt::format(R"(,"process.pid":{},"log.origin.file.name":)", record.process_id);
  AppendJsonString(record.file, out);
  out += fmt::format(",\"log.origin.file.line\":{}}}\n", record.line);
  return out;
}

}  // namespace

std::string_view LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  return "unknown";
}

std::string FormatLogRecord(const LogRecord& record, LogFormat format) {
  return format == LogFormat::kJson ? FormatJson(record) : FormatText(record);
}

}  // namespace berth::base
