#include "pipeline/suggestions.h"
#include "berth/resources.h"

#include <algorithm>
#include <optional>

#include "base/status_macros.h"
#include "pipeline/all_nodes.h"
#include "pipeline/possible_nodes.h"
#include "pipeline/reason_text.h"

namespace berth::pipeline {
namespace {

// Asks what would happen to the task with other requirements.
class WhatIf {
 public:
  WhatIf(const Profile& profile, const TaskView& task, const state::NodeTable& table, Goal goal)
      : profile_(profile), task_(task), table_(table), goal_(goal) {}

  // Nodes on which the goal would be reached.
  absl::StatusOr<NodeMask> Nodes(const TaskRequirements& needs) const {
    // Amounts do not change which domains it may use at all.
    const TaskView task{needs, task_.key, task_.eligible};
    if (goal_ == Goal::kFitsEver) {
      BERTH_ASSIGN_OR_RETURN(PossibleNodes possible,
                             FindPossibleNodes(profile_, task, table_, /*why_never=*/false));
      return std::move(possible.nodes);
    }
    NodeMask feasible = table_.live();
    BERTH_RETURN_IF_ERROR(FilterAll(profile_, task, table_, feasible));
    return feasible;
  }

  // What one node could give of a resource.
  int32_t Available(ResourceIndex resource, Slot slot) const {
    const int32_t capacity = table_.capacity(resource)[slot];
    return goal_ == Goal::kFitsEver ? capacity : capacity - table_.allocated(resource)[slot];
  }

  const state::NodeTable& table() const { return table_; }
  Goal goal() const { return goal_; }

 private:
  const Profile& profile_;
  const TaskView task_;
  const state::NodeTable& table_;
  const Goal goal_;
};

// The first by name of a set that is not empty.
Slot FirstByName(const NodeMask& nodes, const state::NodeTable& table) {
  Slot first = kNoSlot;
  nodes.ForEach([&](Slot slot) {
    if (first == kNoSlot || table.name(slot) < table.name(first)) first = slot;
  });
  return first;
}

Suggestion Make(const WhatIf& what_if, std::string field, std::string value,
                const std::string& option_name, Slot slot) {
  Suggestion suggestion;
  suggestion.field = std::move(field);
  suggestion.value = std::move(value);
  if (!option_name.empty()) suggestion.option = option_name + " " + suggestion.value;
  suggestion.node = what_if.table().name(slot);
  const std::string change =
      option_name.empty() ? suggestion.field + " " + suggestion.value : suggestion.option;
  suggestion.text = "with " + change +
                    (what_if.goal() == Goal::kFitsNow ? " it fits " + suggestion.node + " now"
                                                      : " it could run on " + suggestion.node);
  return suggestion;
}

std::string OptionOf(ResourceIndex resource) {
  if (resource == kCpu) return "--cpu";
  if (resource == kMemory) return "--memory";
  return "";
}

absl::StatusOr<std::optional<Suggestion>> TryResource(const WhatIf& what_if,
                                                      const TaskRequirements& needs,
                                                      ResourceIndex resource) {
  TaskRequirements changed = needs;
  changed.requests[resource] = 0;
  BERTH_ASSIGN_OR_RETURN(const NodeMask others_fit, what_if.Nodes(changed));
  int32_t largest = 0;
  others_fit.ForEach(
      [&](Slot slot) { largest = std::max(largest, what_if.Available(resource, slot)); });
  if (largest <= 0 || largest >= needs.requests[resource]) return std::nullopt;

  changed.requests[resource] = largest;
  BERTH_ASSIGN_OR_RETURN(const NodeMask fit, what_if.Nodes(changed));
  if (!fit.Any()) return std::nullopt;
  const std::string name = state::ResourceName(what_if.table().names(), resource);
  // A task has as many of these as CPUs, and asks for CPUs.
  const std::string option = name == kDedicatedCpus ? "--cpu" : OptionOf(resource);
  return Make(what_if, name, AmountText(resource, largest), option,
              FirstByName(fit, what_if.table()));
}

absl::StatusOr<std::optional<Suggestion>> TryDevice(const WhatIf& what_if,
                                                    const TaskRequirements& needs, size_t index) {
  TaskRequirements changed = needs;
  int32_t& count = changed.devices[index].count;
  // The largest count that fits lies in [low, high); 0 stands for "not even one".
  int32_t low = 0;
  int32_t high = needs.devices[index].count;
  NodeMask best;
  while (high - low > 1) {
    count = low + (high - low) / 2;
    BERTH_ASSIGN_OR_RETURN(NodeMask fit, what_if.Nodes(changed));
    if (fit.Any()) {
      low = count;
      best = std::move(fit);
    } else {
      high = count;
    }
  }
  if (low == 0) return std::nullopt;
  const std::string& kind = what_if.table().names().kinds.Name(needs.devices[index].kind.value);
  return Make(what_if, kind, std::to_string(low), kind == "gpu" ? "--gpus" : "",
              FirstByName(best, what_if.table()));
}

}  // namespace

absl::StatusOr<std::vector<Suggestion>> FindSuggestions(const Profile& profile,
                                                        const TaskView& task,
                                                        const state::NodeTable& table, Goal goal) {
  const WhatIf what_if(profile, task, table, goal);
  std::vector<Suggestion> suggestions;
  for (ResourceIndex i = 0; i < task.needs.resource_count; ++i) {
    if (task.needs.requests[i] == 0) continue;
    BERTH_ASSIGN_OR_RETURN(auto suggestion, TryResource(what_if, task.needs, i));
    if (suggestion) suggestions.push_back(*std::move(suggestion));
  }
  for (size_t i = 0; i < task.needs.devices.size(); ++i) {
    BERTH_ASSIGN_OR_RETURN(auto suggestion, TryDevice(what_if, task.needs, i));
    if (suggestion) suggestions.push_back(*std::move(suggestion));
  }
  return suggestions;
}

}  // namespace berth::pipeline
