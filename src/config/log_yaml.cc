#include "config/log_yaml.h"

#include <array>
#include <string>
#include <string_view>

namespace berth::config {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> kFormats = {"text", "json"};

}  // namespace

void ReadLog(yaml::MapReader& parent, LogConfig& log) {
  const auto node = parent.Get("log");
  if (!node) return;
  yaml::MapReader map(*node);
  if (const auto level = map.Get("level")) {
    if (const auto i = level->OneOf(kLevels)) log.level = kLevels[*i];
  }
  if (const auto format = map.Get("format")) {
    if (const auto i = format->OneOf(kFormats)) log.format = kFormats[*i];
  }
  map.Finish();
}

yaml::Value WriteLog(const LogConfig& log) {
  yaml::Value map;
  map.Set("level", yaml::Value::String(log.level));
  map.Set("format", yaml::Value::String(log.format));
  return map;
}

}  // namespace berth::config
