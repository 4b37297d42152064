// Numbers by which the scheduler knows things. Names are strings only at the edge.
#pragma once

#include <compare>
#include <cstdint>

namespace berth {

// A job's id: restore generation x 10^10 + a counter from 1. Never reused.
struct JobId {
  uint64_t value = 0;
  constexpr auto operator<=>(const JobId&) const = default;
};

// A task: the `position`-th (from 0) of group number `group` (from 0) of a job. The position is
// not the array index that people see: for the array 10-20:5 position 1 has index 15.
struct TaskKey {
  JobId job;
  uint32_t group = 0;
  uint32_t position = 0;
  constexpr auto operator<=>(const TaskKey&) const = default;
};

// A row of the node table. Slots are stable while their node lives and are reused afterwards with
// a higher generation.
using Slot = uint32_t;
inline constexpr Slot kNoSlot = UINT32_MAX;

// Interned strings. Equal strings of one sort have equal ids for as long as a node, a profile or a
// job names them; the order of ids means nothing.
struct LabelId {  // a (key, value) pair
  uint32_t value = 0;
  constexpr auto operator<=>(const LabelId&) const = default;
};
struct KeyId {  // a label's key
  uint32_t value = 0;
  constexpr auto operator<=>(const KeyId&) const = default;
};
struct TaintId {  // a (key, value, effect) triple
  uint32_t value = 0;
  constexpr auto operator<=>(const TaintId&) const = default;
};
struct KindId {  // a kind of device
  uint32_t value = 0;
  constexpr auto operator<=>(const KindId&) const = default;
};
struct ModelId {  // a device model
  uint32_t value = 0;
  constexpr auto operator<=>(const ModelId&) const = default;
};

}  // namespace berth
