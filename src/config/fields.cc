#include "config/fields.h"

#include <array>

#include "base/host_port.h"
#include "base/quantities.h"
#include "base/strings.h"
#include "yaml/parse.h"

namespace berth::config {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> kFormats = {"text", "json"};

}  // namespace

void ReadPath(yaml::MapReader& map, std::string_view key, bool may_be_empty, std::string* target) {
  std::string path;
  if (!map.String(key, &path)) return;
  if (path.empty() && may_be_empty) {
    target->clear();
  } else if (!path.starts_with('/')) {
    map.Fail(key, path.empty() ? "is empty: write an absolute path"
                               : "\"" + path + "\" is not an absolute path");
  } else {
    *target = path;
  }
}

void ReadLoopback(yaml::MapReader& map, std::string_view key, std::string_view why,
                  std::string* target) {
  std::string address;
  if (!map.String(key, &address)) return;
  if (!address.empty()) {
    const auto parsed = base::ParseHostPort(address);
    if (!parsed.ok()) {
      map.Fail(key, base::S(parsed.status().message()));
      return;
    }
    if (!base::IsLoopback(parsed->host)) {
      map.Fail(key, "\"" + address + "\" is not a loopback address: " + std::string(why));
      return;
    }
  }
  *target = address;
}

void SetText(yaml::Value& map, const char* key, const std::string& text) {
  map.Set(key, yaml::Value::String(text));
}

void SetBytes(yaml::Value& map, const char* key, int64_t bytes) {
  map.Set(key, yaml::ResolvePlainScalar(base::FormatBytesExact(bytes)));
}

void ReadLog(yaml::MapReader& map, LogConfig* log) {
  const auto node = map.Get("log");
  if (!node) return;
  yaml::MapReader fields(*node);
  if (const auto level = fields.Get("level")) {
    if (const auto at = level->OneOf(kLevels)) log->level = kLevels[*at];
  }
  if (const auto format = fields.Get("format")) {
    if (const auto at = format->OneOf(kFormats)) log->format = kFormats[*at];
  }
  fields.Finish();
}

yaml::Value WriteLog(const LogConfig& log) {
  yaml::Value map;
  map.Set("level", yaml::Value::String(log.level));
  map.Set("format", yaml::Value::String(log.format));
  return map;
}

}  // namespace berth::config
