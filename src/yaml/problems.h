#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "yaml/value.h"

namespace berth::yaml {

// What is wrong with one file, gathered so that a person sees all of it at once.
//
// Threading: one thread at a time.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  // `path` names the value ("profiles[0].name"); empty: the file as a whole.
  void Add(Position position, std::string path, std::string message);

  bool empty() const { return problems_.empty(); }

  // OK, or InvalidArgument with a line for each problem, in the order of the file:
  //   berthd.yaml:12:7: profiles[0].name: is empty
  // After 20 of them only their number is given.
  absl::Status ToStatus() const;

 private:
  struct Problem {
    Position position;
    std::string path;
    std::string message;
  };

  const std::string file_;
  std::vector<Problem> problems_;
};

}  // namespace berth::yaml
