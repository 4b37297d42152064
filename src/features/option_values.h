// Options with their values, as tables describe them: of directives and of programs alike.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "features/facts.h"
#include "features/rule_tables.h"

namespace berth::features {

// One option at the place where a reader stands.
struct OptionRead {
  const OptionRule* rule = nullptr;  // null: the table does not know it
  std::string_view value;
  bool has_value = false;
  size_t words = 1;  // how many it took
};

// Where options are looked for, and how freely they are written.
struct OptionSource {
  const OptionTable* table = nullptr;
  std::span<const std::pair<std::string, OptionRule>> attached;
  bool letters_attach = true;  // "-c24": a letter and its number
  bool any_attach = false;     // "-lwalltime=1:00": a letter and any value
};

// Reads words[at], and the one after it where that is the value. REQUIRES: at < words.size().
OptionRead ReadOption(const OptionSource& source, std::span<const std::string_view> words,
                      size_t at);

// A kind of GPU named in a word, wherever in it, and the memory named after it.
struct KindInWord {
  std::string_view name;
  double memory_bytes = 0;
};
KindInWord FindGpuKind(const RuleTables& tables, std::string_view word);

// Writes what a value says to the sheet. What cannot be read says nothing. Facts that are words
// are the caller's, but for kinds of GPUs. `keep_largest`: of several values.
void ApplyOption(const RuleTables& tables, const OptionRule& rule, std::string_view value,
                 bool keep_largest, FactSheet* sheet);

}  // namespace berth::features
