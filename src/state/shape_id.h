#pragma once

#include <cstdint>

namespace berth::state {

// Number of a distinct TaskRequirements. Tasks of one shape get equal answers from every plugin.
// Numbers are reused after the last user is gone.
using ShapeId = uint32_t;

}  // namespace berth::state
