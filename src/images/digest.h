// Digests as images name them: "sha256:" and 64 digits.
#pragma once

#include <string_view>

namespace berth::images {

inline constexpr std::string_view kSha256 = "sha256:";

inline bool IsDigest(std::string_view text) {
  constexpr size_t kDigits = 64;
  return text.starts_with(kSha256) && text.size() == kSha256.size() + kDigits &&
         text.find_first_not_of("0123456789abcdef", kSha256.size()) == std::string_view::npos;
}

}  // namespace berth::images
