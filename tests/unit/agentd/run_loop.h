#pragma once

#include <functional>

#include "agentd/event_loop.h"
#include "base/clock.h"

namespace berth::testing {

// Runs the loop until `is_so()`; false: it was not within a minute.
[[nodiscard]] inline bool RunUntil(agentd::EventLoop& loop, const base::Clock& clock,
                                   const std::function<bool()>& is_so) {
  const int64_t give_up_at = clock.MonotonicMs() + 60'000;
  bool was = false;
  std::function<void()> look = [&] {
    was = is_so();
    if (was || clock.MonotonicMs() >= give_up_at) {
      loop.Stop();
    } else {
      loop.At(clock.MonotonicMs() + 1, look);
    }
  };
  loop.Post(look);
  loop.Run();
  return was;
}

}  // namespace berth::testing
