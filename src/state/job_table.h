// Jobs, their groups and their tasks.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "berth/ids.h"
#include "state/job_spec.h"
#include "state/requirements_table.h"
#include "state/task_row.h"
#include "state/views.h"

namespace berth::state {

// Tasks of one group. Those that differ have rows; the rest are implicit and all in state `rest`:
// an array of a million tasks is one small record until its tasks are placed.
//
// Invariants: `first_rest` is the lowest position without a row, `count` when there is none;
// `queued` holds exactly the positions of rows in state kQueued that neither back off nor are held
// back by an attempt that has not ended; `rest` is kQueued, kHeld or kCancelled.
struct GroupRow {
  ShapeId shape = 0;
  int64_t count = 0;
  int64_t queue_key = 0;  // of the QueueSort plugin
  TaskState rest = TaskState::kQueued;
  std::map<uint32_t, TaskRow> rows;  // by position
  uint32_t first_rest = 0;
  std::set<uint32_t> queued;
  // After a restore: none of it is placed before nodes have said what they run of it.
  bool settling = false;

  int64_t rest_count() const { return count - static_cast<int64_t>(rows.size()); }
  // A task of it could be placed now if a node were found.
  bool HasPending() const { return !settling && pending_count() > 0; }
  // Tasks that could be placed once the group is not settling.
  int64_t pending_count() const {
    return static_cast<int64_t>(queued.size()) + (rest == TaskState::kQueued ? rest_count() : 0);
  }
  // The next one to place. REQUIRES: pending_count() > 0.
  uint32_t NextPending() const { return queued.empty() ? first_rest : *queued.begin(); }
  // The first one that waits, whatever for. Cost: O(rows).
  std::optional<uint32_t> FirstWaiting() const {
    if (pending_count() > 0) return NextPending();
    for (const auto& [position, row] : rows) {
      if (row.state == TaskState::kQueued) return position;
    }
    return std::nullopt;
  }
  // Implicit tasks before a position. Cost: O(log rows + rows past the first implicit task).
  int64_t RestBefore(uint32_t position) const {
    if (position <= first_rest) return 0;
    const auto past = std::distance(rows.lower_bound(first_rest), rows.lower_bound(position));
    return position - first_rest - past;
  }
  // Brings `first_rest` past what has a row by now.
  void SkipRows() {
    for (auto it = rows.find(first_rest); it != rows.end() && it->first == first_rest; ++it) {
      ++first_rest;
    }
  }
};

struct JobRow {
  JobId id;
  std::shared_ptr<const JobSpec> spec;
  std::string submitted_by;
  RunAs run_as;
  int64_t submitted_unix_ms = 0;
  int64_t started_unix_ms = 0;
  int64_t ended_unix_ms = 0;
  int64_t queued_at_ms = 0;
  int64_t ended_at_ms = 0;
  uint64_t epoch = 0;
  int32_t exit_code = 0;
  TaskCounts counts{};  // implicit tasks included
  std::vector<GroupRow> groups;

  bool ended() const { return ended_at_ms != 0; }
};

// Every job that is kept, in order of id. Threading: owned by the loop's thread.
using JobTable = std::map<JobId, std::unique_ptr<JobRow>>;

}  // namespace berth::state
