#include "cli/output/table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/check.h"
#include "cli/output/terminal_text.h"

namespace berth::cli {
namespace {

constexpr std::size_t kGap = 3;

void AppendRow(std::string& out, const std::vector<std::string>& cells,
               const std::vector<std::size_t>& widths) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    out += cells[i];
    // No blanks at the end of a line.
    if (i + 1 < cells.size()) out.append(widths[i] - Columns(cells[i]) + kGap, ' ');
  }
  out += '\n';
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  BERTH_CHECK(cells.size() == headers_.size());
  for (std::string& cell : cells) cell = cell.empty() ? "-" : TerminalText(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Text() const {
  std::vector<std::size_t> widths;
  return Text(widths, true);
}

std::string Table::Text(std::vector<std::size_t>& widths, bool with_headers) const {
  widths.resize(headers_.size(), 0);
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    widths[i] = std::max(widths[i], Columns(headers_[i]));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  std::string out;
  if (with_headers) AppendRow(out, headers_, widths);
  for (const auto& row : rows_) AppendRow(out, row, widths);
  return out;
}

}  // namespace berth::cli
