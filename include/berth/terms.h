// Rules of tasks by the domains of a node label: spread, affinity and anti-affinity between tasks,
// and nearness to tasks or to data.
#pragma once

#include <compare>
#include <cstdint>

#include "berth/ids.h"

namespace berth {

// What one rule is about, counted by domain of its topology key: live tasks, or nodes with certain
// data.
struct CounterId {
  uint32_t value = 0;
  constexpr auto operator<=>(const CounterId&) const = default;
};

// Position of a domain among those of its key; a node without the label is in none.
inline constexpr int32_t kNoDomain = -1;

// Two domains between which a packet takes at most 32 us there and back are as near as this; each
// doubling takes 1 off, down to 0 of what takes more than 16.384 ms.
inline constexpr int32_t kMaxNearness = 10;

enum class TermKind : uint8_t {
  kAffinity,      // where tasks are that match
  kAntiAffinity,  // where none is that matches
  kSpread,        // evenly over the domains
  kNearTasks,     // near tasks that match, by measured round trips; always preferred
  kNearData,      // near nodes that have some data; always preferred
};

// One rule as it concerns a task.
struct TermUse {
  TermKind kind = TermKind::kSpread;
  KeyId key;                   // its values are the domains
  CounterId counter;           // the tasks that the rule is about, or the nodes with the data
  int32_t weight = 0;          // 1 to 100 of a preferred rule; 0: required
  int32_t max_skew = 1;        // kSpread: largest difference between domains
  bool counts_itself = false;  // the task would be among those counted

  bool operator==(const TermUse&) const = default;
};

}  // namespace berth
