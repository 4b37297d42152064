// What would be if a task asked for something else, or the cluster were another.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "berth/node_mask.h"
#include "berth/task_view.h"
#include "pipeline/profile.h"
#include "state/node_table.h"

namespace berth::pipeline {

// What a change is to reach.
enum class Goal : uint8_t {
  kFitsNow,   // some node holds the task as things are
  kFitsEver,  // some node could hold it, empty
};

// Asks a profile's filters about a task with other requirements. Errors: a plugin that could not
// work, named. Cost: a pass of each filter for each question.
class WhatIf {
 public:
  // All outlive this.
  WhatIf(const Profile& profile, const TaskView& task, const state::NodeTable& table, Goal goal)
      : profile_(profile), task_(task), table_(table), goal_(goal) {}

  // Nodes on which the goal would be reached.
  absl::StatusOr<NodeMask> Nodes(const TaskRequirements& needs) const;
  // Nodes that would hold it now, were the columns these.
  absl::StatusOr<NodeMask> NodesNow(const TaskRequirements& needs,
                                    const NodeColumns& columns) const;
  // Whether one node would hold it now.
  absl::StatusOr<bool> FitsOn(const TaskRequirements& needs, Slot slot) const;

  // What one node could give of a resource.
  int32_t Available(ResourceIndex resource, Slot slot) const;
  // What is left to it of a resource that belongs to no node.
  int32_t Available(const SharedUse& use, Slot slot) const;
  // The first by name of a set that is not empty.
  Slot FirstByName(const NodeMask& nodes) const;

  const TaskRequirements& needs() const { return task_.needs; }
  const state::NodeTable& table() const { return table_; }
  Goal goal() const { return goal_; }

 private:
  const Profile& profile_;
  const TaskView task_;
  const state::NodeTable& table_;
  const Goal goal_;
};

}  // namespace berth::pipeline
