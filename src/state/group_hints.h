// What is thought of a group's tasks: hints, which order and score, and never decide what a task
// may have or where it may run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "berth/computation_class.h"
#include "berth/task_view.h"

namespace berth::state {

// Most data that a group's tasks are thought to read, and names of each.
inline constexpr size_t kMostDataHints = 16;
inline constexpr size_t kMostDataNames = 4;
inline constexpr size_t kMostDataNameBytes = 512;

struct GroupHints {
  std::optional<ComputationClass> bound_by;
  std::vector<DataHint> data;  // at most kMostDataHints
  // How long such a task takes, as far as order may go by it: from history alone, never from text.
  // 0: not known.
  int64_t expected_ms = 0;

  bool empty() const { return !bound_by && data.empty() && expected_ms == 0; }
  bool operator==(const GroupHints&) const = default;
};

}  // namespace berth::state
