// A job as it was admitted: the static part, in words. Immutable and shared.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/labels.h"
#include "berth/terms.h"
#include "state/node_spec.h"

namespace berth::state {

struct DeviceNeedSpec {
  std::string kind;
  int32_t count = 1;
  int32_t share_milli = 1000;
  int32_t memory_mib = 0;
  std::vector<std::string> models;

  bool operator==(const DeviceNeedSpec&) const = default;
};

struct LabelRequirementSpec {
  SelectorOp op = SelectorOp::kIn;
  std::string key;
  std::vector<std::string> values;  // kIn, kNotIn
  int64_t bound = 0;                // kGreater, kLess

  auto operator<=>(const LabelRequirementSpec&) const = default;
};
using LabelSelectorSpec = std::vector<LabelRequirementSpec>;

struct PreferredNodesSpec {
  int32_t weight = 1;
  LabelSelectorSpec selector;

  bool operator==(const PreferredNodesSpec&) const = default;
};

struct TolerationSpec {
  std::string key;                    // empty: every key
  std::optional<std::string> value;   // absent: every value
  std::optional<TaintEffect> effect;  // absent: every effect

  bool operator==(const TolerationSpec&) const = default;
};

// A rule between tasks.
struct TermSpec {
  TermKind kind = TermKind::kSpread;
  std::string topology_key;
  // The tasks that it is about: of jobs of these namespaces whose labels match. Without
  // requirements those of the group that has the rule, and there are no namespaces.
  LabelSelectorSpec selector;
  std::vector<std::string> namespaces;
  int32_t weight = 0;    // 1 to 100 of a preferred rule; 0: required
  int32_t max_skew = 1;  // kSpread

  bool operator==(const TermSpec&) const = default;
};

// What placement depends on.
struct NeedsSpec {
  Amounts requests;
  std::vector<DeviceNeedSpec> devices;
  std::map<std::string, std::string> node_selector;
  std::vector<LabelSelectorSpec> required_nodes;
  std::vector<PreferredNodesSpec> preferred_nodes;
  std::vector<TolerationSpec> tolerations;
  std::vector<TermSpec> terms;

  bool operator==(const NeedsSpec&) const = default;
};

// first, first + step, ... <= last.
struct IndexRange {
  uint32_t first = 0;
  uint32_t last = 0;
  uint32_t step = 1;

  int64_t count() const { return (int64_t{last} - first) / step + 1; }
  bool operator==(const IndexRange&) const = default;
};

struct GroupSpec {
  std::string name;                // empty: the job's only group
  bool in_array = false;           // an array was asked for, even one of a single task
  std::vector<IndexRange> ranges;  // ascending, apart from each other; at least one
  NeedsSpec needs;
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
  std::vector<GroupSpec> groups;  // at least one
  // SHA-256 in hexadecimal of the admitted specification, payload included, in the blob store.
  std::string blob;

  int64_t task_count() const;
};

// "12.3", "12.worker.3" or, with an attempt, "12.3#2".
std::string TaskIdText(uint64_t job, const JobSpec& spec, uint32_t group, uint32_t position,
                       uint32_t attempt = 0);

}  // namespace berth::state
