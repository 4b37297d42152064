#pragma once

#include <compare>
#include <cstdint>

namespace berth::state {

// Number of a distinct TaskRequirements. Tasks of one shape get equal answers from every plugin.
// Numbers are reused after the last user is gone.
using ShapeId = uint32_t;

// A shape among all that ever were: numbers are used again, serials are not.
struct ShapeKey {
  ShapeId id = 0;
  uint64_t serial = 0;

  constexpr auto operator<=>(const ShapeKey&) const = default;
};

}  // namespace berth::state
