#pragma once

#include <string>

namespace berth::base {

// A random uuid (version 4), as "5bfae0c4-1f6b-4f0b-8f0e-1d7a8f5c9b11": 122 bits from the kernel,
// good for secrets too. Not for the loop's rooms, which must be replayed. Threading: any thread.
std::string NewUuid();

}  // namespace berth::base
