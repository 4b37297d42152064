// What to change so that a task fits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"
#include "state/node_table.h"

namespace berth::pipeline {

// One field that, lowered to `value` with all else as it is, lets the task fit some node.
struct Suggestion {
  std::string field;   // "cpu", "memory", "gpu", an extended resource's name, ...
  std::string value;   // as a job file writes it: "12Gi"
  std::string option;  // as a command line writes it: "--memory 12Gi"; empty: it has no option
  std::string node;    // that would then hold it; of several the first by name
  std::string text;    // "with --memory 12Gi it could run on node-a"

  bool operator==(const Suggestion&) const = default;
};

// What a suggestion is to reach.
enum class Goal : uint8_t {
  kFitsNow,   // some node holds the task as things are
  kFitsEver,  // some node could hold it, empty
};

// For each countable resource, and each kind of device in whole numbers, of which the task asks for
// something: the largest amount that reaches the goal, if there is one. Each is tried on the
// filters before it is told.
//
// REQUIRES: the goal is not reached without a change. Errors: a plugin that could not work, named.
// Cost: cold path; about two filter passes per resource and ten per kind of device.
absl::StatusOr<std::vector<Suggestion>> FindSuggestions(const Profile& profile,
                                                        const TaskView& task,
                                                        const state::NodeTable& table, Goal goal);

}  // namespace berth::pipeline
