// Whether the loop still turns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "base/clock.h"
#include "scheduler/loop_snapshot.h"

namespace berth::monitor {

// Gives the loop's last snapshot; null before there is one. Any thread.
using SnapshotSource = std::function<std::shared_ptr<const scheduler::LoopSnapshot>()>;

// UNAVAILABLE when the loop has published nothing for longer than `most_silence_ms`, or nothing
// yet. The loop turns at least once a minute, whatever happens.
std::function<absl::Status()> LoopCheck(SnapshotSource source, const base::Clock& clock,
                                        int64_t most_silence_ms = 150'000);

}  // namespace berth::monitor
