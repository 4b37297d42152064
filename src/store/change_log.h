// Which objects an epoch changed: what lets a watch go on across a restart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/ids.h"

namespace berth::store {

// Tasks of one group at positions first, first + 1, ..., first + count - 1.
struct TaskRun {
  JobId job;
  uint32_t group = 0;
  uint32_t first = 0;
  uint32_t count = 0;

  bool operator==(const TaskRun&) const = default;
};

struct RemovedJob {
  JobId job;
  std::string ns;  // decides who may know that it went

  bool operator==(const RemovedJob&) const = default;
};

struct RemovedNode {
  Slot slot = kNoSlot;
  std::string name;

  bool operator==(const RemovedNode&) const = default;
};

// Ids only: what became of the objects is in their records. Each id once; an object that came and
// went within the epoch is only among the removed. A removed job's tasks are not listed.
struct ChangeLogEntry {
  uint64_t epoch = 0;
  std::vector<JobId> jobs;     // ascending
  std::vector<TaskRun> tasks;  // ascending, apart from each other
  std::vector<Slot> nodes;     // ascending
  std::vector<RemovedJob> removed_jobs;
  std::vector<RemovedNode> removed_nodes;

  bool operator==(const ChangeLogEntry&) const = default;
};

}  // namespace berth::store
