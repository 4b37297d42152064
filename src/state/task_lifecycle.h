// The life of a task. Nothing moves a task outside this diagram.
//
//   held ──▶ queued ◀──▶ parked
//              │ ▲          │
//              ▼ │          ▼
//           (nominated) ──▶ bound ──▶ starting ──▶ running ◀──▶ suspended
//              ▲              │           │           │
//              │              ▼           ▼           ▼
//              │          ┌───────────── stopping ──────────┐
//              │          │                                 │
//              └── a new attempt (lost, retried, preempted) ┤
//                                                           ▼
//                                        succeeded | failed | cancelled
//
//   * Every state before bound may become cancelled at once: nothing runs.
//   * bound, starting and running end by a fact of the agent: succeeded, failed, cancelled, or
//     queued again with a new attempt.
//   * stopping holds its resources until the agent's fact that everything of it is gone.
//   * quarantined: an agent reports it and nothing is known of it here, after a restore.
#pragma once

#include <cstdint>
#include <string_view>

namespace berth::state {

// Numbered as berth.v1.TaskState.
enum class TaskState : uint8_t {
  kHeld = 1,
  kQueued = 2,
  kParked = 3,
  kNominated = 4,
  kBound = 5,
  kStarting = 6,
  kRunning = 7,
  kSuspended = 8,
  kStopping = 9,
  kSucceeded = 10,
  kFailed = 11,
  kCancelled = 12,
  kQuarantined = 13,
};
inline constexpr int kTaskStates = 14;

// Numbered as berth.v1.AttemptEnd.
enum class AttemptEnd : uint8_t {
  kNone = 0,
  kExited = 1,
  kCancelled = 2,
  kTimedOut = 3,
  kLost = 4,
  kPreempted = 5,
  kDrained = 6,
  kOutOfMemory = 7,
  kCouldNotStart = 8,
  kOutOfStorage = 9,
  kUnhealthy = 10,
};

// Whether the diagram has an arrow `from` → `to`.
bool MayMove(TaskState from, TaskState to);

// No arrow leads out of it.
constexpr bool IsTerminal(TaskState state) {
  return state == TaskState::kSucceeded || state == TaskState::kFailed ||
         state == TaskState::kCancelled;
}

// It holds resources on a node.
constexpr bool HoldsResources(TaskState state) {
  return state == TaskState::kBound || state == TaskState::kStarting ||
         state == TaskState::kRunning || state == TaskState::kSuspended ||
         state == TaskState::kStopping;
}

// "running".
std::string_view ToString(TaskState state);

}  // namespace berth::state
