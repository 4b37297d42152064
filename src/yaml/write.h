#pragma once

#include <string>
#include <string_view>

#include "yaml/value.h"

namespace berth::yaml {

// The value as YAML in block style, with a newline at its end. ParseYaml reads an equal value back,
// and so do parsers of YAML 1.1: words that those take for booleans are put in quotes. Numbers that
// carry their text are written as that. Cost: O(result).
std::string WriteYaml(const Value& value);

// The value as JSON: compact when `indent` is 0, else on several lines. Text that is not valid
// UTF-8 gets U+FFFD in its place; infinities and NaN become null.
std::string WriteJson(const Value& value, int indent = 0);

}  // namespace berth::yaml
