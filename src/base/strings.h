#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

// Bridges between the two string views. Debian's absl is built with its own absl::string_view,
// which does not convert to or from std::string_view; our code speaks std::string_view, and crosses
// here.
namespace berth::base {

// For passing a std::string_view to an absl function: absl::SimpleAtoi(A(text), &value).
inline absl::string_view A(std::string_view text) { return {text.data(), text.size()}; }

// A view of the same bytes, which must outlive it.
inline std::string_view V(absl::string_view text) { return {text.data(), text.size()}; }

// A copy: S(status.message()).
inline std::string S(absl::string_view text) { return {text.data(), text.size()}; }

// Hash and equality for containers keyed by std::string and asked with a std::string_view, without
// a copy:
//   absl::flat_hash_map<std::string, NodeSlot, StringHash, StringEq> slots_;
// The hash differs from process to process (names come from people: collisions must not be
// computable), so nothing may depend on it; for a hash that is kept or decides an order, see
// base/fixed_hash.h.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const;
};
struct StringEq {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};

}  // namespace berth::base
