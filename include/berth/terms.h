// Rules between tasks: spread, affinity and anti-affinity, by the domains of a node label.
#pragma once

#include <compare>
#include <cstdint>

#include "berth/ids.h"

namespace berth {

// Live tasks by domain of one topology key: those that one rule is about.
struct CounterId {
  uint32_t value = 0;
  constexpr auto operator<=>(const CounterId&) const = default;
};

// Position of a domain among those of its key; a node without the label is in none.
inline constexpr int32_t kNoDomain = -1;

enum class TermKind : uint8_t {
  kAffinity,      // where tasks are that match
  kAntiAffinity,  // where none is that matches
  kSpread,        // evenly over the domains
};

// One rule as it concerns a task.
struct TermUse {
  TermKind kind = TermKind::kSpread;
  KeyId key;                   // its values are the domains
  CounterId counter;           // the tasks that the rule is about
  int32_t weight = 0;          // 1 to 100 of a preferred rule; 0: required
  int32_t max_skew = 1;        // kSpread: largest difference between domains
  bool counts_itself = false;  // the task would be among those counted

  bool operator==(const TermUse&) const = default;
};

}  // namespace berth
