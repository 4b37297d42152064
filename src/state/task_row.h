// What is known of one task.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "berth/ids.h"
#include "berth/reason.h"
#include "berth/reserve.h"
#include "state/shape_id.h"
#include "state/task_lifecycle.h"

namespace berth::state {

// CPU time and memory that something used. 0: nothing, or not known.
struct Usage {
  int64_t cpu_time_ms = 0;
  int64_t memory_bytes = 0;
  int64_t memory_peak_bytes = 0;
  int64_t device_memory_bytes = 0;         // now; not kept
  int32_t device_utilisation_percent = 0;  // now, of one device; not kept
  int64_t io_read_bytes = 0;
  int64_t io_written_bytes = 0;
  int64_t scratch_bytes = 0;  // now; not kept

  bool operator==(const Usage&) const = default;
};

// Names and weights of a profile's score plugins: what a decision's scores stand for.
struct ScoreSheet {
  std::string profile;
  std::vector<std::string> plugins;
  std::vector<int32_t> weights;

  bool operator==(const ScoreSheet&) const = default;
};

// The record of a binding: enough to say later why the winner won.
struct Decision {
  uint64_t epoch = 0;
  int64_t total = 0;
  uint32_t rank = 0;
  std::string runner_up;  // empty: nobody else was feasible
  int64_t runner_up_total = 0;
  int64_t nodes_feasible = 0;
  std::vector<int32_t> scores;  // of the winner, as in the sheet
  std::shared_ptr<const ScoreSheet> sheet;
};

// What the readiness check of an attempt says.
enum class Readiness : uint8_t { kUnknown = 0, kNotReady = 1, kReady = 2 };

// One try to run a task.
struct AttemptRow {
  uint32_t number = 0;  // from 1; 0: there was none
  AttemptEnd end = AttemptEnd::kNone;
  Reason reason = Reason::kNone;
  int32_t exit_code = -1;  // -1: none
  int32_t signal = 0;      // 0: none
  std::string node;
  std::string message;
  std::string isolation;
  Usage usage;
  int64_t bound_unix_ms = 0;  // 0: not yet, in each
  int64_t started_unix_ms = 0;
  int64_t ended_unix_ms = 0;
  std::vector<std::string> device_ids;
  Readiness readiness = Readiness::kUnknown;
  std::vector<std::string> not_enforced;  // of what it asked for
  int32_t memory_mib = 0;                 // reserved, where that is not its group's; 0: it is

  bool operator==(const AttemptRow&) const = default;
};

// A task that differs from its group: it was placed, or cancelled alone.
struct TaskRow {
  TaskState state = TaskState::kQueued;
  // The end that a stopping task is on its way to, or that a bound one is wished to have.
  AttemptEnd wish = AttemptEnd::kNone;
  uint16_t retries_used = 0;
  uint16_t losses = 0;           // attempts lost with their node, or that it could not start
  AttemptRow attempt;            // the current or last
  std::vector<AttemptRow> past;  // those before, the last kMostPastAttempts of them
  uint32_t attempts_before = 0;  // how many there were
  Slot slot = kNoSlot;           // while it holds resources
  uint32_t slot_generation = 0;
  Reservation reservation;
  uint64_t start_sequence = 0;  // of its StartTask, per incarnation of the node
  uint64_t stop_sequence = 0;   // of its StopTask; 0: none was sent
  int64_t not_before_ms = 0;    // loop time before which it is not placed again; 0: at once
  int64_t started_at_ms = 0;    // loop time at which the attempt was seen to run; 0: not yet
  // Reserved for its next attempts instead of its group's memory, after one that was killed at its
  // limit; 0: its group's.
  int32_t memory_mib = 0;
  std::optional<ShapeId> own_shape;          // with memory_mib
  uint64_t epoch = 0;                        // of the last change
  std::shared_ptr<const Decision> decision;  // of the attempt; null: there was none
};

// Most attempts that are kept of one task besides the current one: a service has no end of them.
inline constexpr size_t kMostPastAttempts = 32;

// Puts the current attempt, if there is one, among those before. The oldest may go.
inline void KeepAttempt(TaskRow& row) {
  if (row.attempt.number == 0) return;
  if (row.past.size() >= kMostPastAttempts) row.past.erase(row.past.begin());
  row.past.push_back(std::move(row.attempt));
  ++row.attempts_before;
}

}  // namespace berth::state
