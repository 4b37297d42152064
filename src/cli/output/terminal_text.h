#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::cli {

// Text from elsewhere, made fit for one line on a terminal: control characters (and with them
// escape sequences, line breaks and the overstriking of what stands there), bidirectional controls
// and invalid UTF-8 appear as \n, \x1b, \u202e. Valid text stays as it is. Cost: O(text).
std::string TerminalText(std::string_view text);

// The same for text of several lines: line breaks stay.
std::string TerminalLines(std::string_view text);

// How many columns a text takes: characters, wide ones of East Asian scripts and emoji counted
// twice, combining ones not at all. REQUIRES: what TerminalText made. Cost: O(text).
std::size_t Columns(std::string_view text);

}  // namespace berth::cli
