#pragma once

#include <string>
#include <vector>

#include "cli/process.h"

namespace berth::cli {

// Runs the program `berth`: reads its arguments (without the program's own name), does what they
// say, prints errors, and returns the exit code of design.md section 12.
//
// Threading: one call at a time; blocks until the command is done.
int RunBerthCli(const std::vector<std::string>& arguments, const Process& process);

// What may stand next on a command line: the verbs, or the flags of `verb`.
std::vector<std::string> CompletionWords(const std::string& verb);

}  // namespace berth::cli
