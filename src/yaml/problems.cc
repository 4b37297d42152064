#include "yaml/problems.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace berth::yaml {

void Problems::Add(Position position, std::string path, std::string message) {
  problems_.push_back({position, std::move(path), std::move(message)});
}

absl::Status Problems::ToStatus() const {
  if (problems_.empty()) return absl::OkStatus();
  std::vector<Problem> ordered = problems_;
  std::stable_sort(ordered.begin(), ordered.end(), [](const Problem& a, const Problem& b) {
    if (a.position.line != b.position.line) return a.position.line < b.position.line;
    return a.position.column < b.position.column;
  });
  constexpr std::size_t kMost = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(ordered.size(), kMost); ++i) {
    const Problem& problem = ordered[i];
    if (i > 0) text += '\n';
    text += file_;
    if (problem.position.line > 0) {
      text += ":" + std::to_string(problem.position.line) + ":" +
              std::to_string(problem.position.column);
    }
    text += ": ";
    if (!problem.path.empty()) text += problem.path + ": ";
    text += problem.message;
  }
  if (ordered.size() > kMost) {
    text += "\n" + file_ + ": and " + std::to_string(ordered.size() - kMost) + " more";
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace berth::yaml
