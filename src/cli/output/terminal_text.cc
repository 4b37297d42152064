#include "cli/output/terminal_text.h"

#include "base/utf8.h"

namespace berth::cli {
namespace {

// Characters that move, hide or reorder what stands around them.
bool IsTreacherous(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

std::string Hex(char32_t c, int digits) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += kHex[(c >> shift) & 0xf];
  return text;
}

std::string Clean(std::string_view text, bool keep_lines) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const base::Utf8Character c = base::DecodeUtf8(text);
    if (!c.valid) {
      clean += "\\x" + Hex(static_cast<unsigned char>(text[0]), 2);
    } else if (c.code_point == '\n') {
      clean += keep_lines ? "\n" : "\\n";
    } else if (c.code_point == '\t') {
      clean += keep_lines ? "\t" : "\\t";
    } else if (!IsTreacherous(c.code_point)) {
      clean += text.substr(0, c.bytes);
    } else if (c.code_point < 0x80) {
      clean += "\\x" + Hex(c.code_point, 2);
    } else {
      clean += "\\u" + Hex(c.code_point, 4);
    }
    text.remove_prefix(c.bytes);
  }
  return clean;
}

bool IsCombining(char32_t c) {
  return (c >= 0x0300 && c <= 0x036f) || (c >= 0x1ab0 && c <= 0x1aff) ||
         (c >= 0x20d0 && c <= 0x20ff) || (c >= 0xfe00 && c <= 0xfe0f);
}

bool IsWide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
         (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
         (c >= 0x20000 && c <= 0x3fffd);
}

}  // namespace

std::string TerminalText(std::string_view text) { return Clean(text, false); }

std::string TerminalLines(std::string_view text) { return Clean(text, true); }

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const base::Utf8Character c = base::DecodeUtf8(text);
    if (!IsCombining(c.code_point)) columns += IsWide(c.code_point) ? 2 : 1;
    text.remove_prefix(c.bytes);
  }
  return columns;
}

}  // namespace berth::cli
