// What people say of their jobs in words, English and Chinese: descriptions, names, comments.
#pragma once

#include <cstdint>
#include <string_view>

#include "features/rule_tables.h"
#include "features/text_findings.h"

namespace berth::features {

// How much of a text is taken for prose, and how far it is trusted.
enum class ProseKind : uint8_t {
  kDescription,  // all of it
  kComment,      // amounts only where they are asked for in so many words
  kName,         // no times, no data
};

// Reads one text. Phrases of the tables become events in their order; amounts are bound to the
// events beside them, and what is denied or told of other runs is left out. Cost: O(text).
void ReadProse(const RuleTables& tables, std::string_view text, ProseKind kind,
               TextFindings* findings);

}  // namespace berth::features
