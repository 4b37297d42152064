// Amounts as job texts write them: "64G", "1-12:00:00", "2h 30m", "7B".
//
// Unlike base/quantities.h, which reads what users of Berth must write, these read what other tools
// let people write; what they do not know they leave alone. Cost: O(text).
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace berth::features {

inline constexpr double kKi = 1024.0;
inline constexpr double kMi = kKi * 1024;
inline constexpr double kGi = kMi * 1024;
inline constexpr double kTi = kGi * 1024;
inline constexpr double kSecondMs = 1000.0;
inline constexpr double kMinuteMs = 60 * kSecondMs;
inline constexpr double kHourMs = 60 * kMinuteMs;
inline constexpr double kDayMs = 24 * kHourMs;

// A number at the beginning of a text.
struct LeadingNumber {
  double value = 0;
  size_t bytes = 0;  // 0: there is none
};

// Digits with an optional fraction and commas between thousands.
LeadingNumber ReadNumber(std::string_view text);

// All of `text` as a number.
std::optional<double> WholeNumber(std::string_view text);

// "64G", "64 GB", "900GiB", "8000": bytes; `unit` are the bytes of a bare number. K, M, G, T and P
// are powers of 1024 whatever follows.
std::optional<double> ParseSizeText(std::string_view text, double unit);

// Milliseconds of a unit of time as text spells it ("h", "hrs", "minutes"); 0: it is none.
double TimeUnitMs(std::string_view word);

// "2h 30m", "90s", "1 day 3 hours": milliseconds; `unit` are those of a bare number, 0 refuses one.
std::optional<double> ParseHumanTime(std::string_view text, double unit);

// How clock times are written without and with colons.
enum class ClockStyle {
  kSlurm,  // minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s
  kHms,    // seconds, m:s, h:m:s, d:h:m:s
  kHm,     // minutes, h:m; what follows a slash is dropped
};
std::optional<double> ParseClock(std::string_view text, ClockStyle style);

// "1.3B", "335M", "8x7B": how many parameters. `bytes` of the text were used.
std::optional<double> ReadParameters(std::string_view text, size_t* bytes);

}  // namespace berth::features
