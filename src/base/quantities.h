// Amounts as people write them, and back: 500m of CPU, 2.5Gi of memory, 1h30m.
//
// Every parser takes the whole text, without surrounding space, refuses what is negative, does not
// fit, or carries no unit where one could be mistaken, and says what is accepted. Arithmetic is on
// integers: "0.1" is exactly 100 thousandths. Errors are InvalidArgument and quote the text.
//
// Threading: any thread; nothing is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace berth::base {

// "2", "0.5", "500m" → thousandths of a core. Finer than a thousandth is refused.
absl::StatusOr<int64_t> ParseCpuMilli(std::string_view text);

// "512Mi", "2.5Gi", "2G" (10^9), "64B" → bytes; a fraction of a byte is rounded up. Units: B, Ki,
// Mi, Gi, Ti, Pi (powers of 1024), k, M, G, T, P (powers of 1000). A bare number other than 0 is
// refused, with the likely meaning.
absl::StatusOr<int64_t> ParseBytes(std::string_view text);

// "10Gbit", "100Mbit/s" → bits per second. Units: kbit, Mbit, Gbit, Tbit.
absl::StatusOr<int64_t> ParseBitsPerSecond(std::string_view text);

// "10s", "250ms", "1h30m", "7d", "02:30:00" (hours, minutes, seconds). Units, largest first, each
// at most once: d, h, m, s, ms. At most 36500d. A bare number other than 0 is refused.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// A whole number in decimal digits from `least` to `most`; "1_000_000" is allowed.
absl::StatusOr<int64_t> ParseCount(std::string_view text, int64_t least, int64_t most);

// 2000 → "2", 500 → "0.5". Exact: parses back to the same amount.
std::string FormatCpuMilli(int64_t milli);

enum class Rounding { kNearest, kDown };

// For people: at most one decimal from Gi on, whole numbers below: "12Gi", "3.2Gi", "9Mi", "0".
// kDown never says more than there is: for "try at most ...".
std::string FormatBytes(int64_t bytes, Rounding rounding = Rounding::kNearest);

// Exact, in the largest unit that divides it: 2560 MiB → "2560Mi". Parses back to the same amount.
std::string FormatBytesExact(int64_t bytes);

// Exact, in the largest unit that divides it: "10Gbit". Below 1 kbit: "0.5kbit".
std::string FormatBitsPerSecond(int64_t bits_per_s);

// Exact to the millisecond: "1h30m", "250ms", "0s". Parses back to the same duration.
std::string FormatExactDuration(absl::Duration duration);

// How long something took, for people: "0.1s", "12.3s", "2m5s", "3h12m", "4d7h".
std::string FormatElapsed(int64_t milliseconds);

// How long ago something was, for the AGE column: "0s", "59s", "5m", "3h", "12d".
std::string FormatAge(int64_t milliseconds);

}  // namespace berth::base
