#include "state/job_state.h"

#include <numeric>

#include "state/task_lifecycle.h"

namespace berth::state {

JobState JobStateOf(const TaskCounts& counts, int64_t started_unix_ms, int64_t ended_at_ms) {
  const auto count = [&counts](TaskState state) { return counts[static_cast<size_t>(state)]; };
  if (ended_at_ms != 0) {
    if (count(TaskState::kFailed) > 0) return JobState::kFailed;
    return count(TaskState::kCancelled) > 0 ? JobState::kCancelled : JobState::kSucceeded;
  }
  const int64_t waiting =
      count(TaskState::kHeld) + count(TaskState::kQueued) + count(TaskState::kParked);
  const int64_t all = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  // A task that came back after an attempt waits again, and its job goes on.
  return waiting == all && started_unix_ms == 0 ? JobState::kQueued : JobState::kRunning;
}

}  // namespace berth::state
