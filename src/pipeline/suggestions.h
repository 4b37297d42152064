// What to change so that a task fits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"
#include "pipeline/what_if.h"
#include "state/node_table.h"

namespace berth::pipeline {

// Numbers are those of berth.v1.SuggestionKind.
enum class SuggestionKind : uint8_t {
  kLess = 1,      // the task asks for less of something
  kTolerate = 2,  // it tolerates taints
  kDrop = 3,      // it leaves a condition out
  kFree = 4,      // something is freed on a node
  kUncordon = 5,  // a node is uncordoned
};

// What is missing on a node.
struct Lack {
  std::string subject;  // "cpu", "memory", "gpu", "gpu share", "gpu memory", "tpu box", ...
  int64_t amount = 0;   // in the units of the wire, as FilterOutcome's

  bool operator==(const Lack&) const = default;
};

// One change with which, and all else as it is, the task fits some node.
struct Suggestion {
  SuggestionKind kind = SuggestionKind::kLess;
  // kLess: "cpu", "memory", "gpu", "tpu box", an extended resource's name, ...; kTolerate:
  // "tolerations"; kDrop: the key of the job file; else empty.
  std::string field;
  std::string value;   // as a job file writes it: "12Gi", "gpu=true:NoSchedule", "zone=a"
  std::string change;  // as a command line writes it, or in words: "--memory 12Gi", "without its
                       // spread over zone"
  std::string node;    // that would then hold it; of several the first by name
  std::string text;    // "with --memory 12Gi it could run on node-a"
  std::vector<Lack> lacks;  // kFree

  bool operator==(const Suggestion&) const = default;
};

// Changes that reach the goal. Less: for each countable resource, and each kind of device in whole
// numbers, of which the task asks for something, the largest amount; of boxes of devices the
// largest that is smaller on one axis. Conditions: the taints of one node, or any one condition or
// rule of its own. And for kFitsNow what would have to be freed on the node that lacks least, and a
// node that could be uncordoned. Each is tried on the filters before it is told.
//
// `possible`: nodes that could hold it, empty (FindPossibleNodes).
//
// REQUIRES: the goal is not reached without a change. Errors: a plugin that could not work, named.
// Cost: cold path; about two filter passes per resource and condition, ten per kind of device.
absl::StatusOr<std::vector<Suggestion>> FindSuggestions(const Profile& profile,
                                                        const TaskView& task,
                                                        const state::NodeTable& table, Goal goal,
                                                        const NodeMask& possible);

}  // namespace berth::pipeline
