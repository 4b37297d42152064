// PreFilter: says no once to a task that its plugin lets run on no node.
#pragma once

#include <string>

#include "berth/plugin.h"
#include "berth/task_view.h"

namespace berth {

// What a filter may be besides: it refuses tasks by what they ask for, whatever nodes there are. A
// site's rule stands here ("jobs for GPUs name a team by a toleration"), since it is asked once for
// all tasks with equal requirements, and not about each node.
//
// It takes part where the plugin is enabled as a filter. Tasks that are refused can never fit:
// they wait, and `berth explain` and `berth plan` say who refuses them and why.
//
// Threading and errors: as FilterPlugin.
class PreFilterPlugin : public virtual Plugin {
 public:
  // Why no node may run such a task, in words that stand after the plugin's name ("asks for GPUs
  // without a team"); at most kMostRefusalBytes of them are shown. Empty: it may run where the
  // filters let it.
  //
  // ENSURES: depends on `needs` alone. Cost: once for each shape of tasks; may allocate.
  virtual std::string Refuses(const TaskRequirements& needs) const = 0;
};

inline constexpr size_t kMostRefusalBytes = 256;

}  // namespace berth
