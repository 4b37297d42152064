#include "features/directives.h"

#include <string>
#include <vector>

#include "features/option_values.h"
#include "features/plain_text.h"
#include "features/shell_words.h"

namespace berth::features {
namespace {

constexpr size_t kMostLines = 512;

void ReadLine(const RuleTables& tables, const SchedulerRule& scheduler, std::string_view line,
              FactSheet* sheet) {
  const std::vector<std::string> words = SplitWords(line);
  std::vector<std::string_view> views(words.begin(), words.end());
  const OptionSource source{&scheduler.options, {}, true, true};
  for (size_t i = 0; i < views.size();) {
    const OptionRead read = ReadOption(source, views, i);
    if (read.rule == nullptr) {
      ++i;
      continue;
    }
    size_t took = read.words;
    if (read.rule->form == Form::kSlots && i + 2 < views.size()) {
      ApplyOption(tables, *read.rule, text::Cat(views[i + 1], " ", views[i + 2]), false, sheet);
      took = 3;
    } else if (read.has_value || read.rule->set >= 0) {
      ApplyOption(tables, *read.rule, read.value, false, sheet);
    }
    i += took;
  }
}

}  // namespace

bool ReadDirectives(const RuleTables& tables, std::span<const std::string_view> header,
                    FactSheet* sheet) {
  bool any = false;
  size_t lines = 0;
  for (const std::string_view line : header) {
    for (const auto& [name, scheduler] : tables.schedulers) {
      if (!line.starts_with(scheduler.prefix)) continue;
      const std::string_view rest = line.substr(scheduler.prefix.size());
      if (rest.empty() || !text::IsSpace(rest[0])) continue;
      if (++lines > kMostLines) return any;
      ReadLine(tables, scheduler, rest, sheet);
      any = true;
      break;
    }
  }
  return any;
}

}  // namespace berth::features
