#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "yaml/value.h"

namespace berth::yaml {

// Where each value of a file stands, by its path: for errors that are found after the file has been
// read, by somebody who knows only the path.
//
// Threading: immutable after construction.
class Places {
 public:
  Places() = default;
  Places(std::string file, const Value& root);

  // `status` with "FILE:LINE:COLUMN: " before a message that begins with a path of the file
  // ("profiles[0].name: ..."), or with a path below one. Else, and when OK, unchanged.
  absl::Status Locate(const absl::Status& status) const;

 private:
  void Add(const std::string& path, const Value& value);

  std::string file_;
  std::map<std::string, Position> positions_;
};

}  // namespace berth::yaml
