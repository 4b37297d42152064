#include "base/clock.h"

#include <time.h>

#include "base/check.h"

namespace berth::base {
namespace {

std::int64_t ReadMs(clockid_t clock) {
  timespec now{};
  BERTH_CHECK(::clock_gettime(clock, &now) == 0) << "clock " << clock;
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

std::int64_t SystemClock::MonotonicMs() const { return ReadMs(CLOCK_BOOTTIME); }

std::int64_t SystemClock::WallMs() const { return ReadMs(CLOCK_REALTIME); }

}  // namespace berth::base
