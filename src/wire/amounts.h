// Amounts of the wire into quanta and back.
#pragma once

#include <cstdint>
#include <optional>

#include "berth/v1/types.pb.h"
#include "state/node_spec.h"
#include "wire/field_path.h"

namespace berth::wire {

enum class Rounding { kUp, kDown };

// Most names of extended resources in one request or one node.
inline constexpr size_t kMostExtendedResources = 12;

// What a request has where it is silent.
struct RequestDefaults {
  int64_t cpu_milli = 1000;
  int64_t memory_bytes = int64_t{1} << 30;
};

// `amount` of a unit in quanta of `quantum` units each; nullopt, with a violation, when it is
// negative or more than kMaxQuanta.
std::optional<int32_t> ToQuanta(int64_t amount, int64_t quantum, Rounding rounding,
                                const FieldPath& path, Violations& violations);

// A request: absent amounts are filled in, present ones rounded up; extended resources of 0 are
// left out. What is wrong goes to `violations`, and the result then means nothing.
state::Amounts RequestAmounts(const v1::Resources& request, const RequestDefaults& defaults,
                              const FieldPath& path, Violations& violations);

// What a node has, rounded down. A node must have CPU and memory.
state::Amounts CapacityAmounts(const v1::Resources& capacity, const FieldPath& path,
                               Violations& violations);

// Back into units. CPU and memory are always set, the others when they are not 0.
v1::Resources ToResources(const state::Amounts& amounts);

}  // namespace berth::wire
