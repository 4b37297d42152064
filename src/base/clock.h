#pragma once

#include <cstdint>

namespace berth::base {

// Where time comes from. Passed in, so that tests and the simulator decide what time it is; the
// loop is not given one at all: its `now` arrives with its inputs.
//
// Threading: any thread.
class Clock {
 public:
  virtual ~Clock() = default;

  // Milliseconds since this machine started, suspension included (CLOCK_BOOTTIME, which every
  // process of the machine reads alike); never goes back. For durations, deadlines and leases.
  // Means nothing on another machine or after a reboot.
  [[nodiscard]] virtual std::int64_t MonotonicMs() const = 0;

  // Milliseconds since 1970-01-01 UTC; may jump either way. Only decorates records for people.
  [[nodiscard]] virtual std::int64_t WallMs() const = 0;
};

// The machine's own clocks. Cost: one vDSO call, no system call.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t MonotonicMs() const override;
  [[nodiscard]] std::int64_t WallMs() const override;
};

}  // namespace berth::base
