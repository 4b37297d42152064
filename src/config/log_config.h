#pragma once

#include <string>

namespace berth::config {

// How a daemon writes its log. Plain values, as the loader checked them.
struct LogConfig {
  // "debug", "info", "warn" or "error": the least that is written.
  std::string level = "info";
  // "text" or "json", one record a line, on standard error.
  std::string format = "text";

  friend bool operator==(const LogConfig&, const LogConfig&) = default;
};

}  // namespace berth::config
