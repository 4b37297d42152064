#include "base/quantities.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <optional>

#include "base/strings.h"

namespace berth::base {
namespace {

__extension__ using Wide = __int128;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
// Enough digits for every amount that fits.
constexpr std::size_t kMaxDigits = 19;
constexpr std::size_t kMaxQuotedBytes = 64;

// A non-negative decimal number, value / 10^decimals, and what follows it.
struct Decimal {
  Wide value = 0;
  int decimals = 0;
  bool too_large = false;  // it has more digits than any amount that fits; they are not in `value`
  std::string_view unit;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Text from a user for an error message: bounded, and without bytes that a terminal acts on.
std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxQuotedBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    quoted += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return quoted + (text.size() > kMaxQuotedBytes ? "...\"" : "\"");
}

absl::Status Refuse(std::string_view text, const std::string& why) {
  return absl::InvalidArgumentError(Quote(text) + " " + why);
}

// Digits with at most one point between them. No sign, no exponent, no "inf" or "nan".
std::optional<Decimal> ReadDecimal(std::string_view text) {
  Decimal result;
  std::size_t at = 0;
  std::size_t digits = 0;
  bool point = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.') {
      if (point || digits == 0) return std::nullopt;
      point = true;
      continue;
    }
    if (!IsDigit(c)) break;
    if (result.value != 0 && ++digits > kMaxDigits) {
      if (point && !result.too_large) return std::nullopt;
      result.too_large = true;
      if (point) ++result.decimals;
      continue;
    }
    if (result.value == 0) digits = 1;  // leading zeros do not count
    result.value = result.value * 10 + (c - '0');
    if (point && ++result.decimals > static_cast<int>(kMaxDigits)) return std::nullopt;
  }
  if (digits == 0 || (point && result.decimals == 0)) return std::nullopt;
  result.unit = text.substr(at);
  return result;
}

Wide PowerOfTen(int exponent) {
  Wide power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// number x factor, a fraction rounded up. Empty when it does not fit.
std::optional<int64_t> Scale(const Decimal& number, int64_t factor) {
  if (number.too_large) return std::nullopt;
  const Wide scaled = number.value * factor;
  const Wide divisor = PowerOfTen(number.decimals);
  const Wide result = scaled / divisor + (scaled % divisor != 0 ? 1 : 0);
  if (result > kMax) return std::nullopt;
  return static_cast<int64_t>(result);
}

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr std::array<Unit, 11> kByteUnits = {{
    {"Pi", int64_t{1} << 50},
    {"Ti", int64_t{1} << 40},
    {"Gi", int64_t{1} << 30},
    {"Mi", int64_t{1} << 20},
    {"Ki", int64_t{1} << 10},
    {"P", 1'000'000'000'000'000},
    {"T", 1'000'000'000'000},
    {"G", 1'000'000'000},
    {"M", 1'000'000},
    {"k", 1'000},
    {"B", 1},
}};

constexpr std::array<Unit, 4> kBitUnits = {{
    {"Tbit", 1'000'000'000'000},
    {"Gbit", 1'000'000'000},
    {"Mbit", 1'000'000},
    {"kbit", 1'000},
}};

constexpr std::array<Unit, 5> kTimeUnits = {{
    {"d", 86'400'000},
    {"h", 3'600'000},
    {"m", 60'000},
    {"s", 1'000},
    {"ms", 1},
}};

constexpr int64_t kMaxDurationMs = int64_t{36'500} * 86'400'000;

const Unit* FindUnit(std::string_view name, const auto& units) {
  const auto at =
      std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == name; });
  return at == units.end() ? nullptr : &*at;
}

constexpr char kBytesAccepted[] = "write an amount with its unit, as 512Mi, 2.5Gi or 2G (10^9)";
constexpr char kCpuAccepted[] = "is no amount of CPU: write cores, as 2, 0.5 or 500m";
constexpr char kBitsAccepted[] = "write bits per second, as 100Mbit or 10Gbit";
constexpr char kDurationAccepted[] = "is no duration: write it as 30s, 5m, 1h30m, 7d or HH:MM:SS";

std::string StripSign(std::string_view text) { return std::string(text.substr(1)); }

bool IsNegative(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && IsDigit(text[1]);
}

// What somebody who wrote no unit, or a unit that is nearly one, most likely meant.
std::string LikelyBytes(const Decimal& number, std::string_view text) {
  if (number.too_large) return "";
  const std::string digits(text.substr(0, text.size() - number.unit.size()));
  if (number.unit.empty()) {
    // A number as large as this was meant in bytes.
    constexpr int64_t kSurelyBytes = int64_t{1} << 20;
    if (number.decimals == 0 && number.value >= kSurelyBytes && number.value <= kMax) {
      return FormatBytesExact(static_cast<int64_t>(number.value));
    }
    return digits + "Gi";
  }
  switch (number.unit[0]) {
    case 'k':
    case 'K':
      return digits + "Ki";
    case 'm':
    case 'M':
      return digits + "Mi";
    case 'g':
    case 'G':
      return digits + "Gi";
    case 't':
    case 'T':
      return digits + "Ti";
    case 'p':
    case 'P':
      return digits + "Pi";
    default:
      return "";
  }
}

absl::StatusOr<absl::Duration> ParseClock(std::string_view text) {
  // [HH:]MM:SS would leave open whether 10:30 means minutes; three parts do not.
  std::array<int64_t, 3> parts = {};
  std::size_t part = 0;
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == ':') {
      if (digits == 0 || ++part >= parts.size()) return Refuse(text, kDurationAccepted);
      digits = 0;
      continue;
    }
    if (!IsDigit(c) || ++digits > 7) return Refuse(text, kDurationAccepted);
    parts[part] = parts[part] * 10 + (c - '0');
  }
  if (part != 2 || digits == 0) return Refuse(text, kDurationAccepted);
  if (parts[1] > 59 || parts[2] > 59) {
    return Refuse(text, "has minutes or seconds above 59; write HH:MM:SS");
  }
  const int64_t total_ms = parts[0] * 3'600'000 + parts[1] * 60'000 + parts[2] * 1'000;
  if (total_ms > kMaxDurationMs) return Refuse(text, "is too long: at most 36500d");
  return absl::Milliseconds(total_ms);
}

// digits.d, without a trailing ".0".
std::string WithTenths(int64_t tenths) {
  std::string text = std::to_string(tenths / 10);
  if (tenths % 10 != 0) text += "." + std::to_string(tenths % 10);
  return text;
}

}  // namespace

absl::StatusOr<int64_t> ParseCpuMilli(std::string_view text) {
  if (text.empty()) return Refuse(text, kCpuAccepted);
  if (IsNegative(text)) return Refuse(text, "is negative");
  const std::optional<Decimal> number = ReadDecimal(text);
  if (!number || (!number->unit.empty() && number->unit != "m")) return Refuse(text, kCpuAccepted);
  const int64_t factor = number->unit.empty() ? 1000 : 1;
  const std::optional<int64_t> milli = Scale(*number, factor);
  if (!milli) return Refuse(text, "is too large");
  if ((number->value * factor) % PowerOfTen(number->decimals) != 0) {
    return Refuse(text, "is finer than a thousandth of a core (1m)");
  }
  return *milli;
}

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError(std::string("is empty: ") + kBytesAccepted);
  if (IsNegative(text)) return Refuse(text, "is negative");
  const std::optional<Decimal> number = ReadDecimal(text);
  if (!number) return Refuse(text, std::string("is not an amount: ") + kBytesAccepted);
  if (number->unit.empty() && number->value == 0) return 0;
  const Unit* const unit = FindUnit(number->unit, kByteUnits);
  if (unit == nullptr) {
    const std::string likely = LikelyBytes(*number, text);
    const std::string what =
        number->unit.empty() ? "has no unit" : "has an unknown unit " + Quote(number->unit);
    return Refuse(text, what + (likely.empty() ? std::string(": ") + kBytesAccepted
                                               : " (did you mean " + likely + "?)"));
  }
  const std::optional<int64_t> bytes = Scale(*number, unit->factor);
  if (!bytes) return Refuse(text, "is too large: at most 8191Pi");
  return *bytes;
}

absl::StatusOr<int64_t> ParseBitsPerSecond(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError(std::string("is empty: ") + kBitsAccepted);
  if (IsNegative(text)) return Refuse(text, "is negative");
  const std::optional<Decimal> number = ReadDecimal(text);
  if (!number) return Refuse(text, std::string("is not a bandwidth: ") + kBitsAccepted);
  if (number->unit.empty() && number->value == 0) return 0;
  std::string_view name = number->unit;
  if (name.ends_with("/s")) name.remove_suffix(2);
  const Unit* const unit = FindUnit(name, kBitUnits);
  if (unit == nullptr) return Refuse(text, std::string("has no known unit: ") + kBitsAccepted);
  const std::optional<int64_t> bits = Scale(*number, unit->factor);
  if (!bits) return Refuse(text, "is too large");
  return *bits;
}

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  if (text.empty()) {
    return Refuse(text, kDurationAccepted);
  }
  if (IsNegative(text)) return Refuse(text, "is negative");
  if (text.find(':') != std::string_view::npos) return ParseClock(text);
  if (text == "0") return absl::ZeroDuration();

  Wide total_ms = 0;
  std::size_t next_unit = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::optional<Decimal> number = ReadDecimal(rest);
    if (!number) return Refuse(text, kDurationAccepted);
    const std::size_t unit_end =
        std::min(number->unit.find_first_of("0123456789"), number->unit.size());
    const std::string_view name = number->unit.substr(0, unit_end);
    if (name.empty()) {
      return Refuse(text, "has no unit (did you mean " + std::string(text) + "s?)");
    }
    const Unit* const unit = FindUnit(name, kTimeUnits);
    if (unit == nullptr) {
      return Refuse(text, "has an unknown unit " + Quote(name) + ": write d, h, m, s or ms");
    }
    const auto position = static_cast<std::size_t>(unit - kTimeUnits.data());
    if (position < next_unit) {
      return Refuse(text, "has its units out of order: the largest comes first, each once");
    }
    next_unit = position + 1;
    const std::optional<int64_t> ms = Scale(*number, unit->factor);
    if (!ms) return Refuse(text, "is too long: at most 36500d");
    if ((number->value * unit->factor) % PowerOfTen(number->decimals) != 0) {
      return Refuse(text, "is finer than a millisecond");
    }
    total_ms += *ms;
    rest = number->unit.substr(unit_end);
  }
  if (total_ms > kMaxDurationMs) return Refuse(text, "is too long: at most 36500d");
  return absl::Milliseconds(static_cast<int64_t>(total_ms));
}

absl::StatusOr<int64_t> ParseCount(std::string_view text, int64_t least, int64_t most) {
  const std::string range =
      "write a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  const bool negative = IsNegative(text);
  const std::string digits = negative ? StripSign(text) : std::string(text);
  if (digits.empty() || !IsDigit(digits.front()) || !IsDigit(digits.back())) {
    return Refuse(text, "is not a whole number: " + range);
  }
  Wide value = 0;
  for (const char c : digits) {
    if (c == '_') continue;
    if (!IsDigit(c)) return Refuse(text, "is not a whole number: " + range);
    value = std::min<Wide>(value * 10 + (c - '0'), Wide{kMax} + 1);
  }
  if (negative) value = -value;
  if (value < least || value > most) return Refuse(text, "is out of range: " + range);
  return static_cast<int64_t>(value);
}

std::string FormatCpuMilli(int64_t milli) {
  std::string text = std::to_string(milli / 1000);
  if (milli % 1000 == 0) return text;
  std::string fraction = std::to_string(milli % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return text + "." + fraction;
}

std::string FormatBytes(int64_t bytes, Rounding rounding) {
  if (bytes <= 0) return "0";
  if (bytes < 1024) return std::to_string(bytes) + "B";
  // The largest binary unit (the first five of the table) of which there is at least one.
  std::size_t i = 4;
  while (i > 0 && bytes >= kByteUnits[i - 1].factor) --i;
  const Unit& unit = kByteUnits[i];
  const int64_t scale = unit.factor >= (int64_t{1} << 30) ? 10 : 1;
  const int64_t half = rounding == Rounding::kNearest ? unit.factor / 2 : 0;
  const auto shown = static_cast<int64_t>((Wide{bytes} * scale + half) / unit.factor);
  if (shown >= 1024 * scale && i > 0) return "1" + std::string(kByteUnits[i - 1].name);
  return (scale == 10 ? WithTenths(shown) : std::to_string(shown)) + std::string(unit.name);
}

std::string FormatBytesExact(int64_t bytes) {
  if (bytes == 0) return "0";
  const Unit* best = &kByteUnits.back();
  for (const Unit& unit : kByteUnits) {
    if (bytes % unit.factor == 0 && unit.factor > best->factor) best = &unit;
  }
  return std::to_string(bytes / best->factor) + std::string(best->name);
}

std::string FormatBitsPerSecond(int64_t bits_per_s) {
  for (const Unit& unit : kBitUnits) {
    if (bits_per_s % unit.factor == 0 && bits_per_s != 0) {
      return std::to_string(bits_per_s / unit.factor) + std::string(unit.name);
    }
  }
  return FormatCpuMilli(bits_per_s) + "kbit";
}

std::string FormatExactDuration(absl::Duration duration) {
  int64_t rest = absl::ToInt64Milliseconds(duration);
  if (rest <= 0) return "0s";
  std::string text;
  for (const Unit& unit : kTimeUnits) {
    const int64_t count = rest / unit.factor;
    if (count == 0) continue;
    text += std::to_string(count) + std::string(unit.name);
    rest %= unit.factor;
  }
  return text;
}

std::string FormatElapsed(int64_t milliseconds) {
  const int64_t ms = std::max<int64_t>(milliseconds, 0);
  // Below a minute in tenths, and always one decimal: "0.1s", "2.0s".
  const int64_t tenths = (ms + 50) / 100;
  if (tenths < 600) return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "s";
  const int64_t seconds = (ms + 500) / 1000;
  const auto two = [](int64_t large, const char* large_unit, int64_t small,
                      const char* small_unit) {
    std::string text = std::to_string(large) + large_unit;
    if (small != 0) text += std::to_string(small) + small_unit;
    return text;
  };
  if (seconds < 3'600) return two(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86'400) return two(seconds / 3'600, "h", seconds % 3'600 / 60, "m");
  return two(seconds / 86'400, "d", seconds % 86'400 / 3'600, "h");
}

std::string FormatAge(int64_t milliseconds) {
  const int64_t seconds = std::max<int64_t>(milliseconds, 0) / 1000;
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3'600) return std::to_string(seconds / 60) + "m";
  if (seconds < 86'400) return std::to_string(seconds / 3'600) + "h";
  return std::to_string(seconds / 86'400) + "d";
}

}  // namespace berth::base
