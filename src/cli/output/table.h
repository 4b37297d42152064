#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace berth::cli {

// A table as operators know it: upper-case headers, columns left-aligned, three spaces between.
//
//   ID   NAME     STATE
//   1    python3  succeeded
//
// Threading: one thread at a time.
class Table {
 public:
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // One cell for each header; an empty cell is shown as "-". Cells are text from anywhere: they are
  // made fit for a terminal here.
  void AddRow(std::vector<std::string> cells);

  bool empty() const { return rows_.empty(); }

  // Headers and rows, each with a newline. Without rows: the headers alone.
  std::string Text() const;

  // As Text, for rows that follow others on the screen: columns at least as wide as `widths`, which
  // grow; headers only when `with_headers`.
  std::string Text(std::vector<std::size_t>& widths, bool with_headers) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace berth::cli
