// What is known of one task.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "berth/ids.h"
#include "berth/reason.h"
#include "berth/reserve.h"
#include "state/task_lifecycle.h"

namespace berth::state {

// CPU time and memory that something used. 0: nothing, or not known.
struct Usage {
  int64_t cpu_time_ms = 0;
  int64_t memory_bytes = 0;
  int64_t memory_peak_bytes = 0;
  int64_t device_memory_bytes = 0;         // now; not kept
  int32_t device_utilisation_percent = 0;  // now, of one device; not kept

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

  bool operator==(const AttemptRow&) const = default;
};

// A task that differs from its group: it was placed, or cancelled alone.
struct TaskRow {
  TaskState state = TaskState::kQueued;
  // The end that a stopping task is on its way to, or that a bound one is wished to have.
  AttemptEnd wish = AttemptEnd::kNone;
  uint16_t retries_used = 0;
  uint16_t losses = 0;  // attempts lost with their node
  AttemptRow attempt;   // the current or last
  std::vector<AttemptRow> past;
  Slot slot = kNoSlot;  // while it holds resources
  uint32_t slot_generation = 0;
  Reservation reservation;
  uint64_t start_sequence = 0;  // of its StartTask, per incarnation of the node
  uint64_t stop_sequence = 0;   // of its StopTask; 0: none was sent
  int64_t not_before_ms = 0;    // loop time before which it is not placed again; 0: at once
  uint64_t epoch = 0;           // of the last change
  std::shared_ptr<const Decision> decision;  // of the attempt; null: there was none
};

}  // namespace berth::state
