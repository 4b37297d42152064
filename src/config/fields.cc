#include "config/fields.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/quantities.h"
#include "base/strings.h"

namespace berth::config {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> kFormats = {"text", "json"};

std::string_view HostOf(std::string_view address) {
  std::string_view host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

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

absl::Status CheckHostPort(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError("\"" + std::string(address) + "\" " + why);
  };
  if (colon == std::string_view::npos || colon == 0) return refuse("is not host:port");
  if (!base::ParseCount(address.substr(colon + 1), 0, 65'535).ok()) {
    return refuse("has no port from 0 to 65535");
  }
  const std::string_view host = address.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return refuse("has an IPv6 address without brackets: write [::1]:7460");
  }
  if (HostOf(address).empty() || host.find_first_of("/ \t") != std::string_view::npos) {
    return refuse("is not host:port");
  }
  return absl::OkStatus();
}

bool IsLoopback(std::string_view address) {
  const std::string_view host = HostOf(address);
  if (host == "localhost" || host == "::1") return true;
  // 127.0.0.0/8, as four numbers: a name may begin in the same way.
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos &&
         std::count(host.begin(), host.end(), '.') == 3;
}

void ReadLoopback(yaml::MapReader& map, std::string_view key, std::string_view why,
                  std::string* target) {
  std::string address;
  if (!map.String(key, &address)) return;
  if (!address.empty()) {
    if (const absl::Status status = CheckHostPort(address); !status.ok()) {
      map.Fail(key, base::S(status.message()));
      return;
    }
    if (!IsLoopback(address)) {
      map.Fail(key, "\"" + address + "\" is not a loopback address: " + std::string(why));
      return;
    }
  }
  *target = address;
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
