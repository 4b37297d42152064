#include "yaml/write.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "base/utf8.h"
#include "yaml/parse.h"

namespace berth::yaml {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string FormatDouble(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::array<char, 40> digits = {};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  std::string text(digits.data(), result.ptr);
  // Else it would read back as an integer.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// The escape for one character within double quotes, or "" when it can stand as it is. JSON has no
// \x, \N and no \0, YAML has all of JSON's.
std::string Escape(char32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  if (!control && c != 0x2028 && c != 0x2029 && c != 0xfeff) return "";
  constexpr char kHex[] = "0123456789abcdef";
  std::string escape = "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) escape += kHex[(c >> shift) & 0xf];
  return escape;
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const base::Utf8Character c = base::DecodeUtf8(text);
    const std::string escape = c.valid ? Escape(c.code_point) : std::string(kReplacement);
    out += escape.empty() ? text.substr(0, c.bytes) : std::string_view(escape);
    text.remove_prefix(c.bytes);
  }
  out += '"';
}

// Whether a string can stand in YAML without quotes and mean itself to every reader.
bool IsPlain(const std::string& text) {
  if (text.empty() || text.back() == ' ' || text.back() == ':') return false;
  if (!IsAlphanumeric(text[0]) && std::string_view("/_.").find(text[0]) == std::string_view::npos) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (IsAlphanumeric(c) || std::string_view("_./+=@%-").find(c) != std::string_view::npos)
      continue;
    if (c == ' ') continue;
    if (c == ':' && text[i + 1] != ' ') continue;  // back() is not ':', so there is a next one
    return false;
  }
  if (!ResolvePlainScalar(text).is_string()) return false;
  // Digits, points and colons alone: 1.1 has numbers to base 60, and dates.
  if (text.find_first_not_of("0123456789.:-+_eE") == std::string::npos) return false;
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  constexpr std::array<std::string_view, 8> kOldBooleans = {"y",  "n",   "yes",  "no",
                                                            "on", "off", "true", "false"};
  return std::find(kOldBooleans.begin(), kOldBooleans.end(), lower) == kOldBooleans.end();
}

// Whether a text of several lines can be written as a literal block (|): a script stays readable.
bool IsLiteralBlock(const std::string& text) {
  if (text.find('\n') == std::string::npos || text[0] == ' ' || text[0] == '\n' ||
      text[0] == '\t') {
    return false;
  }
  if (text.ends_with("\n\n")) return false;
  if (!base::IsValidUtf8(text)) return false;
  for (std::string_view rest = text; !rest.empty();) {
    const base::Utf8Character c = base::DecodeUtf8(rest);
    const bool own_escape =
        c.code_point == '"' || c.code_point == '\\' || c.code_point == '\n' || c.code_point == '\t';
    if (!own_escape && !Escape(c.code_point).empty()) return false;
    rest.remove_prefix(c.bytes);
  }
  return true;
}

void AppendLiteralBlock(std::string& out, const std::string& text, int indent) {
  out += text.back() == '\n' ? "|" : "|-";
  std::string_view rest = text;
  if (rest.back() == '\n') rest.remove_suffix(1);
  while (true) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    out += '\n';
    if (end > 0) out.append(static_cast<std::size_t>(indent), ' ').append(rest.substr(0, end));
    if (end == rest.size()) return;
    rest.remove_prefix(end + 1);
  }
}

void AppendScalar(std::string& out, const Value& value, int indent) {
  if (value.is_string()) {
    if (IsPlain(value.as_string())) {
      out += value.as_string();
    } else if (IsLiteralBlock(value.as_string())) {
      AppendLiteralBlock(out, value.as_string(), indent);
    } else {
      AppendQuoted(out, value.as_string());
    }
  } else if (value.is_null()) {
    out += "null";
  } else if (value.is_double() && value.text().empty()) {
    out += FormatDouble(value.as_double());
  } else {
    out += value.text();
  }
}

void AppendBlock(std::string& out, const Value& value, int indent);

// A value behind "key:" or "-".
void AppendNested(std::string& out, const Value& value, int indent, bool in_list) {
  if (value.is_scalar()) {
    out += ' ';
    AppendScalar(out, value, indent + 2);
    out += '\n';
  } else if (value.is_map() && value.map().empty()) {
    out += " {}\n";
  } else if (value.is_list() && value.list().empty()) {
    out += " []\n";
  } else if (in_list) {
    // The first line of the nested block stands behind the dash.
    std::string block;
    AppendBlock(block, value, indent + 2);
    out += ' ';
    out.append(block, static_cast<std::size_t>(indent) + 2);
  } else {
    out += '\n';
    AppendBlock(out, value, indent + 2);
  }
}

void AppendBlock(std::string& out, const Value& value, int indent) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  if (value.is_map()) {
    for (const Value::Entry& entry : value.map()) {
      out += margin;
      if (IsPlain(entry.key)) {
        out += entry.key;
      } else {
        AppendQuoted(out, entry.key);
      }
      out += ':';
      AppendNested(out, entry.value, indent, false);
    }
    return;
  }
  for (const Value& item : value.list()) {
    out += margin + "-";
    AppendNested(out, item, indent, true);
  }
}

void AppendJson(std::string& out, const Value& value, int indent, int depth) {
  const auto line = [&](int at) {
    if (indent == 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(at), ' ');
  };
  if (value.is_map()) {
    out += '{';
    bool first = true;
    for (const Value::Entry& entry : value.map()) {
      if (!first) out += ',';
      first = false;
      line(depth + 1);
      AppendQuoted(out, entry.key);
      out += indent == 0 ? ":" : ": ";
      AppendJson(out, entry.value, indent, depth + 1);
    }
    if (!first) line(depth);
    out += '}';
  } else if (value.is_list()) {
    out += '[';
    bool first = true;
    for (const Value& item : value.list()) {
      if (!first) out += ',';
      first = false;
      line(depth + 1);
      AppendJson(out, item, indent, depth + 1);
    }
    if (!first) line(depth);
    out += ']';
  } else if (value.is_string()) {
    AppendQuoted(out, value.as_string());
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    out += std::to_string(value.as_int());
  } else if (value.is_double() && std::isfinite(value.as_double())) {
    out += FormatDouble(value.as_double());
  } else {
    out += "null";
  }
}

}  // namespace

std::string WriteYaml(const Value& value) {
  std::string out;
  if (value.is_scalar()) {
    AppendScalar(out, value, 2);
    out += '\n';
  } else if (value.is_map() ? value.map().empty() : value.list().empty()) {
    out = value.is_map() ? "{}\n" : "[]\n";
  } else {
    AppendBlock(out, value, 0);
  }
  return out;
}

std::string WriteJson(const Value& value, int indent) {
  std::string out;
  AppendJson(out, value, indent, 0);
  return out;
}

}  // namespace berth::yaml
