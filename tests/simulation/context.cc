#include "tests/simulation/context.h"

#include <cstdio>

namespace berth::simulation {

void Context::Trace(std::string line) {
  if (!traces_) return;
  char stamp[32];
  std::snprintf(stamp, sizeof(stamp), "%12.6f  ", static_cast<double>(events.now_us()) / 1e6);
  lines_.push_back(stamp + std::move(line));
}

void Context::Violated(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  Trace("VIOLATED: " + what);
}

}  // namespace berth::simulation
