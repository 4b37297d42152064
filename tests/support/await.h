#pragma once

#include <chrono>
#include <thread>

namespace berth::testing {

// Waits until `is_so()`; false: it was not within a minute.
template <typename Condition>
[[nodiscard]] bool Await(Condition is_so) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace berth::testing
