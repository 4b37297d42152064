#include "cli/output/sections.h"

#include <algorithm>
#include <cstddef>

#include "cli/output/terminal_text.h"

namespace berth::cli {

void Sections::Title(std::string_view text) { parts_.push_back({TerminalText(text), {}, ""}); }

void Sections::Line(std::string_view label, std::string_view value) {
  if (value.empty()) return;
  parts_.back().lines.emplace_back(std::string(label) + ":", TerminalText(value));
}

void Sections::Block(std::string_view text) {
  std::string& block = parts_.back().block;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    block += "  " + std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string Sections::Text() const {
  std::string out;
  for (const Part& part : parts_) {
    if (!out.empty()) out += '\n';
    out += part.title + "\n";
    std::size_t width = 0;
    for (const auto& [label, value] : part.lines) width = std::max(width, Columns(label));
    for (const auto& [label, value] : part.lines) {
      out += "  " + label + std::string(width - Columns(label) + 2, ' ') + value + "\n";
    }
    out += part.block;
  }
  return out;
}

}  // namespace berth::cli
