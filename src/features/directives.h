// What the directives at the head of a script ask for.
#pragma once

#include <span>
#include <string_view>

#include "features/facts.h"
#include "features/rule_tables.h"

namespace berth::features {

// Reads the comment lines before the first command. Of one option the last counts, as with the
// schedulers themselves. Returns whether there was a directive. Cost: O(lines).
bool ReadDirectives(const RuleTables& tables, std::span<const std::string_view> header,
                    FactSheet* sheet);

}  // namespace berth::features
