// What the commands of a script say: who starts what with how much, on which data.
#pragma once

#include <span>

#include "features/rule_tables.h"
#include "features/shell_words.h"
#include "features/text_findings.h"

namespace berth::features {

// Reads commands in their order: of amounts the largest counts. Cost: O(their text).
void ReadCommands(const RuleTables& tables, std::span<const ShellCommand> commands,
                  TextFindings* findings);

}  // namespace berth::features
