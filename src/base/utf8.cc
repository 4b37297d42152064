#include "base/utf8.h"

#include <algorithm>

#include "base/check.h"

namespace berth::base {
namespace {

constexpr Utf8Character kInvalid{.code_point = 0xFFFD, .bytes = 1, .valid = false};

struct LeadByte {
  std::size_t length;  // of the whole sequence
  char32_t bits;       // the part of the character in the lead byte
  char32_t smallest;   // below it the form is overlong
};

// Length 0: no character starts with this byte.
LeadByte ReadLeadByte(unsigned char byte) {
  if (byte < 0x80) return {.length = 1, .bits = byte, .smallest = 0};
  if ((byte & 0xE0) == 0xC0) return {.length = 2, .bits = byte & 0x1Fu, .smallest = 0x80};
  if ((byte & 0xF0) == 0xE0) return {.length = 3, .bits = byte & 0x0Fu, .smallest = 0x800};
  if ((byte & 0xF8) == 0xF0) return {.length = 4, .bits = byte & 0x07u, .smallest = 0x10000};
  return {.length = 0, .bits = 0, .smallest = 0};
}

}  // namespace

Utf8Character DecodeUtf8(std::string_view text) {
  BERTH_CHECK(!text.empty());
  const LeadByte lead = ReadLeadByte(static_cast<unsigned char>(text[0]));
  if (lead.length == 0 || lead.length > text.size()) return kInvalid;
  char32_t code_point = lead.bits;
  for (std::size_t i = 1; i < lead.length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return kInvalid;
    code_point = (code_point << 6) | (byte & 0x3Fu);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < lead.smallest || surrogate || code_point > 0x10FFFF) return kInvalid;
  return {.code_point = code_point, .bytes = lead.length, .valid = true};
}

std::string_view CutUtf8(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  std::size_t end = most_bytes;
  // Back over bytes that go on with a character, to the one that it starts with.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::size_t FindInvalidUtf8(std::string_view text) {
  std::size_t offset = 0;
  while (offset < text.size()) {
    if (static_cast<unsigned char>(text[offset]) < 0x80) {
      ++offset;
      continue;
    }
    const Utf8Character character = DecodeUtf8(text.substr(offset));
    if (!character.valid) return offset;
    offset += character.bytes;
  }
  return std::string_view::npos;
}

std::string ToValidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::size_t good = std::min(FindInvalidUtf8(text), text.size());
    valid.append(text.substr(0, good));
    if (good == text.size()) break;
    valid.append("\xEF\xBF\xBD");
    text.remove_prefix(good + 1);
  }
  return valid;
}

}  // namespace berth::base
