// What every part of a simulation shares: time, chance, the record of what happened.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/event_queue.h"

namespace berth::simulation {

class Context {
 public:
  Context(uint64_t seed, bool traces) : rng(seed), traces_(traces) {}

  EventQueue events;
  base::Rng rng;
  Coverage coverage;

  // A number in [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(rng.Uniform(static_cast<uint64_t>(high - low + 1)));
  }
  // True `of_thousand` times in 1000.
  bool Chance(int of_thousand) { return rng.Uniform(1000) < static_cast<uint64_t>(of_thousand); }

  void Fault(const std::string& name, const std::string& detail = "") {
    coverage.Count("fault", name);
    if (traces_) Trace("! " + name + (detail.empty() ? "" : ": " + detail));
  }

  // `line` is made only when somebody reads it.
  bool traces() const { return traces_; }
  void Trace(std::string line);

  // An invariant does not hold: the simulation ends here. The first one counts.
  void Violated(const std::string& what);
  bool failed() const { return !violation_.empty(); }
  const std::string& violation() const { return violation_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  const bool traces_;
  std::string violation_;
  std::vector<std::string> lines_;
};

}  // namespace berth::simulation
