#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::base {

// One decoded character, or the fact that there is none.
struct Utf8Character {
  char32_t code_point = 0;
  std::size_t bytes =
      0;  // how many bytes it took; for an invalid sequence 1, so that a reader can go on
  bool valid = false;
};

// Decodes the first character of `text`. Refused: overlong forms, surrogates, values above
// U+10FFFF, cut-off sequences. REQUIRES: !text.empty(). Cost: O(1).
Utf8Character DecodeUtf8(std::string_view text);

// The offset in bytes of the first byte that is not valid UTF-8, or npos when all is.
std::size_t FindInvalidUtf8(std::string_view text);

// The longest beginning of `text` of at most `most_bytes` that ends with a whole character, when
// `text` is valid UTF-8.
std::string_view CutUtf8(std::string_view text, std::size_t most_bytes);

inline bool IsValidUtf8(std::string_view text) {
  return FindInvalidUtf8(text) == std::string_view::npos;
}

// `text` with U+FFFD in place of each byte that is not valid UTF-8. Cost: a copy.
std::string ToValidUtf8(std::string_view text);

}  // namespace berth::base
