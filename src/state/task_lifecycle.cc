#include "state/task_lifecycle.h"

namespace berth::state {
namespace {

constexpr uint32_t Bit(TaskState state) { return 1u << static_cast<unsigned>(state); }

constexpr uint32_t kEnds =
    Bit(TaskState::kSucceeded) | Bit(TaskState::kFailed) | Bit(TaskState::kCancelled);

// Arrows out of each state.
constexpr uint32_t Arrows(TaskState from) {
  switch (from) {
    case TaskState::kHeld:
      return Bit(TaskState::kQueued) | Bit(TaskState::kCancelled);
    case TaskState::kQueued:
      return Bit(TaskState::kHeld) | Bit(TaskState::kParked) | Bit(TaskState::kNominated) |
             Bit(TaskState::kBound) | Bit(TaskState::kCancelled) | Bit(TaskState::kFailed);
    case TaskState::kParked:
      return Bit(TaskState::kHeld) | Bit(TaskState::kQueued) | Bit(TaskState::kNominated) |
             Bit(TaskState::kBound) | Bit(TaskState::kCancelled);
    case TaskState::kNominated:
      return Bit(TaskState::kQueued) | Bit(TaskState::kBound) | Bit(TaskState::kCancelled);
    case TaskState::kBound:
      return Bit(TaskState::kStarting) | Bit(TaskState::kRunning) | Bit(TaskState::kStopping) |
             Bit(TaskState::kQueued) | kEnds;
    case TaskState::kStarting:
      return Bit(TaskState::kRunning) | Bit(TaskState::kStopping) | Bit(TaskState::kQueued) | kEnds;
    case TaskState::kRunning:
      return Bit(TaskState::kSuspended) | Bit(TaskState::kStopping) | Bit(TaskState::kQueued) |
             kEnds;
    case TaskState::kSuspended:
      return Bit(TaskState::kRunning) | Bit(TaskState::kStopping) | Bit(TaskState::kQueued) | kEnds;
    case TaskState::kStopping:
      return Bit(TaskState::kQueued) | kEnds;
    case TaskState::kQuarantined:
      return Bit(TaskState::kRunning) | Bit(TaskState::kStopping) | kEnds;
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return 0;
  }
  return 0;
}

}  // namespace

bool MayMove(TaskState from, TaskState to) { return (Arrows(from) & Bit(to)) != 0; }

std::string_view ToString(TaskState state) {
  switch (state) {
    case TaskState::kHeld:
      return "held";
    case TaskState::kQueued:
      return "queued";
    case TaskState::kParked:
      return "parked";
    case TaskState::kNominated:
      return "nominated";
    case TaskState::kBound:
      return "bound";
    case TaskState::kStarting:
      return "starting";
    case TaskState::kRunning:
      return "running";
    case TaskState::kSuspended:
      return "suspended";
    case TaskState::kStopping:
      return "stopping";
    case TaskState::kSucceeded:
      return "succeeded";
    case TaskState::kFailed:
      return "failed";
    case TaskState::kCancelled:
      return "cancelled";
    case TaskState::kQuarantined:
      return "quarantined";
  }
  return "unknown";
}

}  // namespace berth::state
