// Jobs, their groups and their tasks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/inlined_vector.h"
#include "berth/ids.h"
#include "berth/task_view.h"
#include "state/group_hints.h"
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
// back by an attempt that has not ended, but for those with a shape of their own, which `apart` has
// in the same way; `rest` is kQueued, kHeld or kCancelled.
struct GroupRow {
  // Rows with a shape that is not the group's.
  struct Apart {
    int64_t rows = 0;  // at least one
    absl::btree_set<uint32_t> queued;
  };

  ShapeId shape = 0;
  uint32_t first_rest = 0;
  int64_t count = 0;
  int64_t queue_key = 0;    // of the QueueSort plugin
  int64_t expected_ms = 0;  // GroupHints::expected_ms
  // GroupHints::data; null: none.
  std::shared_ptr<const std::vector<DataHint>> data;
  std::map<uint32_t, TaskRow> rows;  // by position
  absl::btree_set<uint32_t> queued;
  absl::btree_map<ShapeId, Apart> apart;
  TaskState rest = TaskState::kQueued;
  // After a restore: none of it is placed before nodes have said what they run of it.
  bool settling = false;

  int64_t rest_count() const { return count - static_cast<int64_t>(rows.size()); }
  // A task of the group's shape could be placed now if a node were found.
  bool HasPending() const { return !settling && pending_count() > 0; }
  // Tasks of the group's shape that could be placed once the group is not settling.
  int64_t pending_count() const {
    return static_cast<int64_t>(queued.size()) + (rest == TaskState::kQueued ? rest_count() : 0);
  }
  // The same of any shape that one of its tasks has.
  int64_t pending_count(ShapeId of) const {
    if (of == shape) return pending_count();
    const auto it = apart.find(of);
    return it == apart.end() ? 0 : static_cast<int64_t>(it->second.queued.size());
  }
  ShapeId ShapeAt(uint32_t position) const {
    const auto it = rows.find(position);
    return it == rows.end() ? shape : it->second.own_shape.value_or(shape);
  }
  absl::btree_set<uint32_t>& QueuedOf(const TaskRow& row) {
    return row.own_shape ? apart.at(*row.own_shape).queued : queued;
  }
  // The next one to place. REQUIRES: pending_count() > 0.
  uint32_t NextPending() const { return queued.empty() ? first_rest : *queued.begin(); }
  // The same of a shape. REQUIRES: pending_count(of) > 0.
  uint32_t NextPending(ShapeId of) const {
    return of == shape ? NextPending() : *apart.at(of).queued.begin();
  }
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
  // What it has of hints besides its shape.
  void TakeHints(const GroupHints& hints) {
    expected_ms = hints.expected_ms;
    data = hints.data.empty() ? nullptr : std::make_shared<const std::vector<DataHint>>(hints.data);
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
  CountByState<uint32_t> counts{};  // implicit tasks included
  absl::InlinedVector<GroupRow, 1> groups;

  bool ended() const { return ended_at_ms != 0; }
  TaskCounts Counts() const {
    TaskCounts wide;
    std::copy(counts.begin(), counts.end(), wide.begin());
    return wide;
  }
};

// Every job that is kept, in order of id. Threading: owned by the loop's thread.
using JobTable = absl::btree_map<JobId, std::unique_ptr<JobRow>>;

}  // namespace berth::state
