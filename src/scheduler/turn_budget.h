// How much one turn of the loop may do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace berth::scheduler {

// Turns the wish for short turns into numbers that a turn can count: work units and commands, from
// what the turns before have cost. The turn itself reads no clock, so that it can be replayed; what
// it was allowed is an input of it.
//
// Threading: none. Cost: constant.
class TurnBudget {
 public:
  struct Allowance {
    int64_t work_units = 0;
    size_t commands = 0;
  };

  // `most`: what a turn is never allowed to exceed, however cheap it has been.
  explicit TurnBudget(const Allowance& most) : most_(most) {}

  Allowance next() const {
    Allowance next;
    next.work_units = std::clamp(static_cast<int64_t>(kTargetSeconds / seconds_per_unit_),
                                 std::min(kLeastUnits, most_.work_units), most_.work_units);
    const double commands = static_cast<double>(next.work_units) / units_per_command_;
    next.commands = std::clamp(static_cast<size_t>(commands),
                               std::min(kLeastCommands, most_.commands), most_.commands);
    return next;
  }

  // A turn has taken `seconds` for `work_units`, of them `command_units` for `commands`.
  void Note(int64_t work_units, int64_t command_units, size_t commands, double seconds) {
    // Of less, the fixed cost of a turn is most of what was measured.
    if (work_units >= kTellingUnits) {
      Blend(seconds_per_unit_, std::clamp(seconds / static_cast<double>(work_units), 1e-11, 1e-6));
    }
    if (commands > 0) {
      Blend(units_per_command_,
            std::max(static_cast<double>(command_units) / static_cast<double>(commands), 1.0));
    }
  }

 private:
  // Heartbeats, answers and facts wait for a turn to end: short beside what a disk takes.
  static constexpr double kTargetSeconds = 0.010;
  static constexpr int64_t kLeastUnits = 50'000;
  static constexpr size_t kLeastCommands = 16;
  static constexpr int64_t kTellingUnits = 20'000;

  static void Blend(double& value, double seen) { value += (seen - value) / 8; }

  const Allowance most_;
  double seconds_per_unit_ = 1e-9;
  double units_per_command_ = 10'000;
};

}  // namespace berth::scheduler
