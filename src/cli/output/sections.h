#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::cli {

// A page for people: labelled lines in sections, labels aligned.
//
//   Job 12
//     Name:    train
//     State:   running
//
// Values are text from anywhere: they are made fit for a terminal here; an empty one leaves its
// line out.
class Sections {
 public:
  void Title(std::string_view text);
  void Line(std::string_view label, std::string_view value);
  // Ready text, as a table's, moved in.
  void Block(std::string_view text);

  // All of it; sections are separated by an empty line.
  std::string Text() const;

 private:
  struct Part {
    std::string title;
    std::vector<std::pair<std::string, std::string>> lines;
    std::string block;
  };
  std::vector<Part> parts_;
};

}  // namespace berth::cli
