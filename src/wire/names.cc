#include "wire/names.h"

#include "base/utf8.h"

namespace berth::wire {
namespace {

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
