#pragma once

#include <span>
#include <string>
#include <string_view>

namespace berth::base {

// The one of `known` that a person who typed `typed` most likely meant, or "" when none is close.
//
// Close: at most one edit per three letters, and at least one is allowed; an edit is a letter more,
// less, other, or two neighbours swapped; upper and lower case are the same. Of equals the first
// wins. Cost: O(total length of known * length of typed).
std::string_view ClosestName(std::string_view typed, std::span<const std::string_view> known);

// " (did you mean \"NAME\"?)", or "" when none is close: ready to be put at the end of an error.
std::string DidYouMean(std::string_view typed, std::span<const std::string_view> known);

}  // namespace berth::base
