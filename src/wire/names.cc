#include "wire/names.h"

#include <algorithm>

#include "base/utf8.h"

namespace berth::wire {
namespace {

constexpr bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsAlnum(char c) { return IsLower(c) || IsUpper(c) || IsDigit(c); }

template <typename Allowed>
bool AllAre(std::string_view text, size_t most, Allowed allowed) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), allowed);
}

bool IsPlainName(std::string_view text) {
  return AllAre(text, 63, [](char c) { return IsAlnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool IsGroupName(std::string_view text) {
  return AllAre(text, 63, [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; }) &&
         IsLower(text.front());
}

bool IsNodeName(std::string_view text) {
  const auto is_end = [](char c) { return IsLower(c) || IsDigit(c); };
  return AllAre(text, 253, [&](char c) { return is_end(c) || c == '.' || c == '-'; }) &&
         is_end(text.front()) && is_end(text.back());
}

bool IsLabelKey(std::string_view text) {
  return AllAre(text, 253,
                [](char c) { return IsAlnum(c) || c == '_' || c == '.' || c == '/' || c == '-'; });
}

bool IsExtendedResource(std::string_view text) {
  return AllAre(text, 63,
                [](char c) {
                  return IsLower(c) || IsDigit(c) || c == '_' || c == '.' || c == '/' || c == '-';
                }) &&
         IsLower(text.front());
}

bool IsDeviceKind(std::string_view text) {
  return AllAre(
             text, 63,
             [](char c) { return IsLower(c) || IsDigit(c) || c == '_' || c == '.' || c == '-'; }) &&
         IsLower(text.front());
}

bool IsVariableName(std::string_view text) {
  return AllAre(text, 255, [](char c) { return IsAlnum(c) || c == '_'; }) && !IsDigit(text.front());
}

// The text itself, when it is fit to be shown.
std::string Shown(std::string_view text) {
  constexpr size_t kMostBytes = 80;
  if (text.size() > kMostBytes) return "a text of " + std::to_string(text.size()) + " bytes";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "a text with control characters";
  }
  return base::IsValidUtf8(text) ? "\"" + std::string(text) + "\"" : "a text that is not UTF-8";
}

bool CheckBytes(std::string_view text, size_t most_bytes, bool lines, const FieldPath& path,
                Violations& violations) {
  if (text.size() > most_bytes) {
    violations.Add(path, "is " + std::to_string(text.size()) + " bytes long; at most " +
                             std::to_string(most_bytes) + " are allowed");
    return false;
  }
  const size_t bad = base::FindInvalidUtf8(text);
  if (bad != std::string_view::npos) {
    violations.Add(path, "is not valid UTF-8 at byte " + std::to_string(bad));
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (lines && (c == '\n' || c == '\t' || c == '\r')) continue;
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      violations.Add(path, "has a control character at byte " + std::to_string(i) +
                               "; only printable text is allowed");
      return false;
    }
  }
  return true;
}

}  // namespace

const NameRule kJobName = {"[A-Za-z0-9_.-]{1,63}", IsPlainName};
const NameRule kNamespaceName = {"[A-Za-z0-9_.-]{1,63}", IsPlainName};
const NameRule kGroupName = {"[a-z][a-z0-9-]{0,62}", IsGroupName};
const NameRule kNodeName = {"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", IsNodeName};
const NameRule kLabelKey = {"[A-Za-z0-9_./-]{1,253}", IsLabelKey};
const NameRule kExtendedResource = {"[a-z][a-z0-9_./-]{0,62}", IsExtendedResource};
const NameRule kDeviceKind = {"[a-z][a-z0-9_.-]{0,62}", IsDeviceKind};
const NameRule kVariableName = {"[A-Za-z_][A-Za-z0-9_]{0,254}", IsVariableName};

bool CheckName(const NameRule& rule, std::string_view text, const FieldPath& path,
               Violations& violations) {
  if (rule.matches(text)) return true;
  violations.Add(path, text.empty()
                           ? std::string("is required; it must match ") + rule.pattern
                           : Shown(text) + " is not allowed; it must match " + rule.pattern);
  return false;
}

bool CheckText(std::string_view text, size_t most_bytes, const FieldPath& path,
               Violations& violations) {
  return CheckBytes(text, most_bytes, false, path, violations);
}

bool CheckProse(std::string_view text, size_t most_bytes, const FieldPath& path,
                Violations& violations) {
  return CheckBytes(text, most_bytes, true, path, violations);
}

bool CheckArgument(std::string_view text, const FieldPath& path, Violations& violations) {
  const size_t zero = text.find('\0');
  if (zero != std::string_view::npos) {
    violations.Add(
        path, "has a byte 0 at byte " + std::to_string(zero) + ", which no program can be given");
    return false;
  }
  const size_t bad = base::FindInvalidUtf8(text);
  if (bad != std::string_view::npos) {
    violations.Add(path, "is not valid UTF-8 at byte " + std::to_string(bad));
    return false;
  }
  return true;
}

}  // namespace berth::wire
