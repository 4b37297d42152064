// Where a job stands as a whole.
#pragma once

#include <cstdint>

#include "state/views.h"

namespace berth::state {

// Numbered as berth.v1.JobState.
enum class JobState : uint8_t {
  kQueued = 1,     // no task has been placed yet
  kRunning = 2,    // at least one task has been placed, not all have ended
  kSucceeded = 3,  // all tasks succeeded
  kFailed = 4,     // all tasks ended, at least one failed
  kCancelled = 5,  // all tasks ended, at least one cancelled, none failed
};

// Of a job's counts and times, as a JobRow and a JobView have them.
JobState JobStateOf(const TaskCounts& counts, int64_t started_unix_ms, int64_t ended_at_ms);

}  // namespace berth::state
