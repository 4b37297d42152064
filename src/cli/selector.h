#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace berth::cli {

// One thing that a command is asked about, as people name it.
struct Selector {
  // "12", "12.3", "12.worker.3", "12.3#2"; "last" in place of "12" for the newest job.
  std::string id;

  bool is_last() const { return job() == "last"; }
  bool is_task() const { return id.find('.') != std::string::npos; }
  bool names_attempt() const { return id.find('#') != std::string::npos; }
  // The job's part: "12" of "12.3".
  std::string job() const { return id.substr(0, id.find_first_of(".#")); }

  friend bool operator==(const Selector&, const Selector&) = default;
};

// Reads the ids that a person gave: each argument one or a list, "1,3,5-8"; a range may also stand
// at the end of a task's id, "12.0-9". What `-o name` prints ("job/12", "task/12.3") is accepted.
// InvalidArgument quotes what is none; also when there are more than 1000.
absl::StatusOr<std::vector<Selector>> ParseSelectors(const std::vector<std::string>& arguments);

}  // namespace berth::cli
