// A script as the commands it runs, its comments and its settings.
//
// Reads what Bourne and C shells have in common, well enough to see which program gets which words;
// it expands nothing but variables that the script itself set to plain text. Text that is no shell
// script gives commands of no meaning, and no error.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace berth::features {

struct ShellWord {
  std::string text;     // without quotes; variables as written
  bool quoted = false;  // at least in part
  bool built = false;   // holds a command substitution: no name of anything
};

struct ShellCommand {
  std::vector<ShellWord> words;
  std::vector<std::pair<std::string, std::string>> settings;  // NAME=value before, or alone
  std::vector<std::string> reads_from;                        // after <
  std::vector<std::string> writes_to;                         // after > and >>
  std::string_view here_document;
  bool reads_pipe = false;
  bool writes_pipe = false;
};

struct ShellScript {
  std::vector<std::string_view> header;    // comment lines before the first command
  std::vector<std::string_view> comments;  // without '#'; none that looks like a directive
  std::vector<ShellCommand> commands;
};

// The words of one line, as of a directive; a word that begins with '#' ends them.
std::vector<std::string> SplitWords(std::string_view line);

// Cost: O(script); at most kMostCommands commands are kept.
inline constexpr size_t kMostCommands = 4096;
ShellScript ReadShellScript(std::string_view script);

// As one command of a script.
ShellCommand CommandOf(std::span<const std::string> argv);

}  // namespace berth::features
