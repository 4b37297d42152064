#include "monitor/loop_check.h"

#include <string>
#include <utility>

#include "base/quantities.h"

namespace berth::monitor {

std::function<absl::Status()> LoopCheck(SnapshotSource source, const base::Clock& clock,
                                        int64_t most_silence_ms) {
  return [source = std::move(source), &clock, most_silence_ms] {
    const auto snapshot = source();
    if (snapshot == nullptr) return absl::UnavailableError("the loop has not started");
    const int64_t silence_ms = clock.MonotonicMs() - snapshot->published_monotonic_ms;
    if (silence_ms <= most_silence_ms) return absl::OkStatus();
    return absl::UnavailableError("the loop has not turned for " + base::FormatElapsed(silence_ms));
  };
}

}  // namespace berth::monitor
