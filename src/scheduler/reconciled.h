// What becomes of each attempt when an agent comes back and both sides' knowledge is put together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace berth::scheduler {

enum class Reconciled : uint8_t {
  kGoesOn,      // both have it
  kEnded,       // it ended while nobody listened
  kStopAgain,   // it had not heard that it is to stop
  kStartAgain,  // it had not heard that it is to start
  kNeverTold,   // it had not heard that it is to start, and is not to any more
  kLost,        // it was heard of, and there is no trace of it
  kForgotten,   // it has ended, and nobody waits for that any more
  kLeaving,     // it was given up and runs: it is told to stop
  kUnknown,     // nothing is known of it here: it goes on in quarantine
};
inline constexpr size_t kReconciledKinds = 9;

using ReconciledCounts = std::array<uint64_t, kReconciledKinds>;

// "start_again".
constexpr std::string_view ToString(Reconciled outcome) {
  constexpr std::array<std::string_view, kReconciledKinds> kNames = {
      "goes_on", "ended",     "stop_again", "start_again", "never_told",
      "lost",    "forgotten", "leaving",    "unknown"};
  return kNames[static_cast<size_t>(outcome)];
}

}  // namespace berth::scheduler
