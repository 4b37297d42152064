// Values that leave the loop: immutable pictures of one object at one epoch. Replies, watch events
// and the store's records are made from them, on other threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "berth/ids.h"
#include "berth/node_columns.h"
#include "state/job_spec.h"
#include "state/node_usage.h"
#include "state/principal.h"
#include "state/task_row.h"

namespace berth::state {

// Whom a job's tasks run as.
struct RunAs {
  bool verified = false;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// Number of a job's tasks by state, indexed by TaskState.
template <typename T>
using CountByState = std::array<T, kTaskStates>;
using TaskCounts = CountByState<int64_t>;

struct JobView {
  JobId id;
  std::shared_ptr<const JobSpec> spec;
  std::string submitted_by;
  RunAs run_as;
  int64_t submitted_unix_ms = 0;
  int64_t started_unix_ms = 0;  // first start of a task; 0: none yet
  int64_t ended_unix_ms = 0;    // last end; 0: not all have ended
  int64_t queued_at_ms = 0;     // loop time of submission
  int64_t ended_at_ms = 0;      // loop time of the last end; 0: not all have ended
  uint64_t epoch = 0;
  int32_t exit_code = 0;  // highest; 128 + signal for a killed task
  TaskCounts counts{};
  // State of each group's implicit tasks, those without a row: kHeld, kQueued or kCancelled.
  std::vector<TaskState> rest;
};

struct TaskStatusView {
  JobId job;
  std::shared_ptr<const JobSpec> spec;
  uint32_t group = 0;
  uint32_t position = 0;
  TaskRow row;
  int64_t submitted_unix_ms = 0;
  // Why it waits; kNone when it does not.
  Reason waits_for = Reason::kNone;
  std::string wait_message;
};

struct NodeView {
  std::shared_ptr<const NodeSpec> spec;
  Slot slot = kNoSlot;
  uint32_t generation = 0;
  bool ready = false;
  bool cordoned = false;
  std::string cordon_reason;  // of berthd; empty: not cordoned, or by an operator
  Amounts allocated;
  std::vector<DeviceRow> devices;  // as in spec->devices
  int32_t tasks = 0;
  int32_t quarantined = 0;  // attempts on it that are not known here
  Usage usage;
  NodeUsage parts;
  // Time of travel to other nodes and back, by name, in microseconds.
  std::vector<std::pair<std::string, int64_t>> latencies;
  std::optional<int64_t> clock_skew_ms;  // absent: not known
  int64_t registered_unix_ms = 0;
  uint64_t epoch = 0;
};

}  // namespace berth::state
