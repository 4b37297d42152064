// Conditions on node labels, and taints with their tolerations, on interned ids.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "berth/ids.h"

namespace berth {

enum class SelectorOp : uint8_t { kIn, kNotIn, kExists, kDoesNotExist, kGreater, kLess };

// One condition on a label. A node without the key passes only kNotIn and kDoesNotExist.
struct LabelRequirement {
  SelectorOp op = SelectorOp::kIn;
  KeyId key;
  std::vector<LabelId> values;  // kIn, kNotIn: pairs of `key` with each accepted value
  int64_t bound = 0;            // kGreater, kLess: the label's value, a decimal integer, is beyond

  bool operator==(const LabelRequirement&) const = default;
};

// All must hold. Empty: holds for every node.
using LabelSelector = std::vector<LabelRequirement>;

struct PreferredNodes {
  int32_t weight = 1;  // 1 to 100
  LabelSelector selector;

  bool operator==(const PreferredNodes&) const = default;
};

enum class TaintEffect : uint8_t { kNoSchedule, kPreferNoSchedule, kNoExecute };

// Taints that the task tolerates, resolved against the cluster's taint dictionary by
// NodeColumns::Tolerates; kept in words because a new taint may match later.
struct Toleration {
  std::optional<KeyId> key;           // absent: every key
  std::optional<LabelId> key_value;   // absent: every value of the key
  std::optional<TaintEffect> effect;  // absent: every effect

  bool operator==(const Toleration&) const = default;
};

}  // namespace berth
