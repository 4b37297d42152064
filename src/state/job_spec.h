// A job as it was admitted: the static part, in words. Immutable and shared.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/sha256.h"
#include "state/needs_spec.h"

namespace berth::state {

// first, first + step, ... <= last.
struct IndexRange {
  uint32_t first = 0;
  uint32_t last = 0;
  uint32_t step = 1;

  int64_t count() const { return (int64_t{last} - first) / step + 1; }
  bool operator==(const IndexRange&) const = default;
};

// Ascending, apart from each other; at least one, and nearly always no more.
using IndexRanges = absl::InlinedVector<IndexRange, 1>;

struct GroupSpec {
  std::string name;       // empty: the job's only group
  bool in_array = false;  // an array was asked for, even one of a single task
  IndexRanges ranges;
  SharedNeeds needs;
  int32_t retries = 0;
  int64_t time_limit_ms = 0;  // 0: none
  int64_t grace_ms = 30'000;
  int32_t max_processes = 0;  // 0: no limit of its own
  // A node that is cut off ends the tasks by itself, before they are placed elsewhere.
  bool kill_on_partition = false;
  // Started again after each end.
  bool service = false;
  // A service ends with exit code 0.
  bool ends_on_success = false;
  // After an attempt that was killed at its memory limit, the next gets this much of that, in
  // percent; 0: it is a failure like others.
  int32_t memory_factor_percent = 0;
  int32_t memory_limit_mib = 0;  // but no more than this

  // Number of tasks. Cost: O(ranges), for each of these.
  int64_t count() const;
  // Array index of a position. REQUIRES: position < count().
  uint32_t IndexAt(uint32_t position) const;
  // Position of an array index; nullopt when the array does not have it.
  std::optional<uint32_t> PositionOf(int64_t index) const;
};

struct JobSpec {
  std::string ns;
  std::string name;
  std::string queue;
  std::string profile;
  int32_t priority = 0;
  std::map<std::string, std::string> labels;
  absl::InlinedVector<GroupSpec, 1> groups;  // at least one
  // Of the admitted specification, payload included, in the blob store.
  base::Sha256Digest blob;

  int64_t task_count() const;
};

// "12.3", "12.worker.3" or, with an attempt, "12.3#2".
std::string TaskIdText(uint64_t job, const JobSpec& spec, uint32_t group, uint32_t position,
                       uint32_t attempt = 0);

}  // namespace berth::state
