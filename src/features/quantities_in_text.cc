#include "features/quantities_in_text.h"
#include "features/plain_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>

namespace berth::features {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// More digits than any amount has: such a number says nothing.
constexpr size_t kMostDigits = 15;

// Bytes of a unit of size, 0: none. "g", "gb", "gib", "gig".
double SizeUnit(std::string_view word) {
  if (word.empty()) return 0;
  const std::string lower = text::Lower(word);
  static constexpr std::string_view kEndings[] = {"", "b", "i", "ib", "o", "ytes", "byte", "bytes"};
  const std::string_view rest = std::string_view(lower).substr(1);
  const bool known =
      std::find(std::begin(kEndings), std::end(kEndings), rest) != std::end(kEndings) ||
      (lower[0] == 'g' && (rest == "ig" || rest == "igs")) || rest == "egabytes" ||
      rest == "igabytes" || rest == "erabytes" || rest == "igabyte" || rest == "erabyte" ||
      rest == "ilobytes";
  if (!known) return 0;
  switch (lower[0]) {
    case 'b':
      return rest.empty() || rest == "ytes" ? 1 : 0;
    case 'k':
      return kKi;
    case 'm':
      return kMi;
    case 'g':
      return kGi;
    case 't':
      return kTi;
    case 'p':
      return kTi * 1024;
    default:
      return 0;
  }
}

}  // namespace

LeadingNumber ReadNumber(std::string_view text) {
  LeadingNumber number;
  size_t i = 0, digits = 0;
  double value = 0;
  for (; i < text.size(); ++i) {
    if (IsDigit(text[i])) {
      value = value * 10 + (text[i] - '0');
      ++digits;
      continue;
    }
    const bool thousands = text[i] == ',' && digits > 0 && digits <= 3 && i + 3 < text.size() &&
                           IsDigit(text[i + 1]) && IsDigit(text[i + 2]) && IsDigit(text[i + 3]) &&
                           (i + 4 == text.size() || !IsDigit(text[i + 4]));
    if (!thousands) break;
  }
  if (digits == 0 || digits > kMostDigits) return number;
  if (i + 1 < text.size() && text[i] == '.' && IsDigit(text[i + 1])) {
    double scale = 0.1;
    for (++i; i < text.size() && IsDigit(text[i]); ++i) {
      value += (text[i] - '0') * scale;
      scale /= 10;
    }
  }
  return {value, i};
}

std::optional<double> WholeNumber(std::string_view text) {
  const LeadingNumber number = ReadNumber(text);
  if (number.bytes == 0 || number.bytes != text.size()) return std::nullopt;
  return number.value;
}

std::optional<double> ParseSizeText(std::string_view text, double unit) {
  text = text::Strip(text);
  const LeadingNumber number = ReadNumber(text);
  if (number.bytes == 0) return std::nullopt;
  std::string_view rest = text::Strip(text.substr(number.bytes));
  // Nextflow writes "128.GB".
  if (rest.size() > 1 && rest[0] == '.') rest.remove_prefix(1);
  if (rest.empty()) return unit > 0 ? std::optional(number.value * unit) : std::nullopt;
  const double bytes = SizeUnit(rest);
  if (bytes == 0) return std::nullopt;
  return number.value * bytes;
}

double TimeUnitMs(std::string_view word) {
  struct Unit {
    std::string_view word;
    double ms;
  };
  static constexpr Unit kUnits[] = {
      {"s", kSecondMs},       {"sec", kSecondMs},     {"secs", kSecondMs}, {"second", kSecondMs},
      {"seconds", kSecondMs}, {"m", kMinuteMs},       {"min", kMinuteMs},  {"mins", kMinuteMs},
      {"minute", kMinuteMs},  {"minutes", kMinuteMs}, {"h", kHourMs},      {"hr", kHourMs},
      {"hrs", kHourMs},       {"hour", kHourMs},      {"hours", kHourMs},  {"d", kDayMs},
      {"day", kDayMs},        {"days", kDayMs},       {"w", 7 * kDayMs},   {"week", 7 * kDayMs},
      {"wk", 7 * kDayMs},     {"weeks", 7 * kDayMs},  {"ms", 1},           {"month", 30 * kDayMs},
      {"months", 30 * kDayMs}};
  for (const Unit& unit : kUnits) {
    if (text::EqualsFolded(word, unit.word)) return unit.ms;
  }
  return 0;
}

std::optional<double> ParseHumanTime(std::string_view text, double unit) {
  double total = 0;
  bool any = false;
  text = text::Strip(text);
  while (!text.empty()) {
    const LeadingNumber number = ReadNumber(text);
    if (number.bytes == 0) return std::nullopt;
    text = text::StripLeft(text.substr(number.bytes));
    size_t letters = 0;
    while (letters < text.size() && text::IsAlpha(text[letters])) ++letters;
    if (letters == 0) {
      if (any || unit == 0 || !text.empty()) return std::nullopt;
      return number.value * unit;
    }
    const double ms = TimeUnitMs(text.substr(0, letters));
    if (ms == 0) return std::nullopt;
    total += number.value * ms;
    any = true;
    text = text::StripLeft(text.substr(letters));
  }
  return any ? std::optional(total) : std::nullopt;
}

std::optional<double> ParseClock(std::string_view text, ClockStyle style) {
  text = text::Strip(text);
  if (style == ClockStyle::kHm) text = text.substr(0, text.find('/'));
  double days = 0;
  bool dashed = false;
  if (const size_t dash = text.find('-'); style == ClockStyle::kSlurm && dash != text.npos) {
    const std::optional<double> value = WholeNumber(text.substr(0, dash));
    if (!value) return std::nullopt;
    days = *value;
    dashed = true;
    text = text.substr(dash + 1);
  }
  std::array<double, 4> parts{};
  size_t count = 0;
  while (true) {
    const size_t colon = text.find(':');
    const std::optional<double> value = WholeNumber(text.substr(0, colon));
    if (!value || count == parts.size()) return std::nullopt;
    parts[count++] = *value;
    if (colon == text.npos) break;
    text = text.substr(colon + 1);
  }
  const double base = days * kDayMs;
  switch (count) {
    case 1:
      if (dashed) return base + parts[0] * kHourMs;
      return parts[0] * (style == ClockStyle::kHms ? kSecondMs : kMinuteMs);
    case 2:
      if (dashed || style == ClockStyle::kHm) {
        return base + parts[0] * kHourMs + parts[1] * kMinuteMs;
      }
      return parts[0] * kMinuteMs + parts[1] * kSecondMs;
    case 3:
      return base + parts[0] * kHourMs + parts[1] * kMinuteMs + parts[2] * kSecondMs;
    default:
      return parts[0] * kDayMs + parts[1] * kHourMs + parts[2] * kMinuteMs + parts[3] * kSecondMs;
  }
}

std::optional<double> ReadParameters(std::string_view text, size_t* bytes) {
  LeadingNumber number = ReadNumber(text);
  if (number.bytes == 0 || number.bytes > 6) return std::nullopt;
  double times = 1;
  size_t at = number.bytes;
  if (at + 1 < text.size() && (text[at] == 'x' || text[at] == 'X') && IsDigit(text[at + 1])) {
    // Experts share what is not theirs: 8x7B has 46.7 billion parameters, 8x22B has 141.
    times = number.value * 0.82;
    number = ReadNumber(text.substr(at + 1));
    at += 1 + number.bytes;
  }
  if (at < text.size() && text[at] == ' ') ++at;
  if (at >= text.size()) return std::nullopt;
  double unit = 0;
  if (text[at] == 'B' || text[at] == 'b') unit = 1e9;
  if (text[at] == 'M' || text[at] == 'm') unit = 1e6;
  if (unit == 0) return std::nullopt;
  size_t end = at + 1;
  // "7b1": a point is no part of many names.
  if (unit == 1e9 && times == 1 && end < text.size() && IsDigit(text[end]) &&
      (end + 1 == text.size() || !text::IsAlnum(text[end + 1]))) {
    number.value += (text[end] - '0') / 10.0;
    ++end;
  }
  if (end < text.size() && text::IsAlnum(text[end])) return std::nullopt;
  *bytes = end;
  return number.value * times * unit;
}

}  // namespace berth::features
