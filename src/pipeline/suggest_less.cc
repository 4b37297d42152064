#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "berth/resources.h"
#include "pipeline/reason_text.h"
#include "pipeline/suggestion_finders.h"

namespace berth::pipeline {
namespace {

Suggestion MakeLess(const WhatIf& what_if, std::string field, std::string value,
                    const std::string& option_name, Slot slot) {
  Suggestion suggestion;
  suggestion.kind = SuggestionKind::kLess;
  suggestion.field = std::move(field);
  suggestion.value = std::move(value);
  suggestion.node = what_if.table().name(slot);
  suggestion.change =
      (option_name.empty() ? suggestion.field : option_name) + " " + suggestion.value;
  suggestion.text = "with " + suggestion.change +
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
                                                      ResourceIndex resource) {
  const TaskRequirements& needs = what_if.needs();
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
  return MakeLess(what_if, name, AmountText(resource, largest), option, what_if.FirstByName(fit));
}

absl::StatusOr<std::optional<Suggestion>> TryShared(const WhatIf& what_if, size_t index) {
  const SharedUse& use = what_if.needs().shared[index];
  TaskRequirements changed = what_if.needs();
  changed.shared.erase(changed.shared.begin() + static_cast<std::ptrdiff_t>(index));
  BERTH_ASSIGN_OR_RETURN(const NodeMask others_fit, what_if.Nodes(changed));
  int32_t largest = 0;
  others_fit.ForEach([&](Slot slot) { largest = std::max(largest, what_if.Available(use, slot)); });
  if (largest <= 0 || largest >= use.amount) return std::nullopt;

  changed.shared = what_if.needs().shared;
  changed.shared[index].amount = largest;
  BERTH_ASSIGN_OR_RETURN(const NodeMask fit, what_if.Nodes(changed));
  if (!fit.Any()) return std::nullopt;
  const std::string& name = what_if.table().shared_resources()[use.resource].name;
  return MakeLess(what_if, name, std::to_string(largest), "", what_if.FirstByName(fit));
}

std::string OptionOfDevice(const std::string& kind) {
  if (kind == "gpu") return "--gpus";
  if (kind == "tpu") return "--tpus";
  return "";
}

// The largest box that fits and is smaller on one axis.
absl::StatusOr<std::optional<Suggestion>> TryBox(const WhatIf& what_if, size_t index) {
  const DeviceNeed& need = what_if.needs().devices[index];
  TaskRequirements changed = what_if.needs();
  DeviceNeed& smaller = changed.devices[index];
  const auto set = [&](size_t axis, int32_t extent) {
    smaller.box = need.box;
    smaller.box[axis] = static_cast<uint8_t>(extent);
    smaller.count = int32_t{smaller.box[0]} * smaller.box[1] * smaller.box[2];
    std::sort(smaller.box.begin(), smaller.box.end(), std::greater<>());
  };
  int32_t most = 0;
  std::string value;
  NodeMask best;
  for (size_t axis = 0; axis < kTorusAxes; ++axis) {
    int32_t low = 0;
    int32_t high = need.box[axis];
    while (high - low > 1) {
      const int32_t middle = low + (high - low) / 2;
      set(axis, middle);
      BERTH_ASSIGN_OR_RETURN(NodeMask fit, what_if.Nodes(changed));
      if (!fit.Any()) {
        high = middle;
        continue;
      }
      low = middle;
      if (smaller.count <= most) continue;
      most = smaller.count;
      value = BoxText(smaller.box);
      best = std::move(fit);
    }
  }
  if (most == 0) return std::nullopt;
  const std::string& kind = what_if.table().names().kinds.Name(need.kind.value);
  return MakeLess(what_if, kind + " box", value, OptionOfDevice(kind), what_if.FirstByName(best));
}

absl::StatusOr<std::optional<Suggestion>> TryDevice(const WhatIf& what_if, size_t index) {
  const TaskRequirements& needs = what_if.needs();
  if (needs.devices[index].has_box()) return TryBox(what_if, index);
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
  return MakeLess(what_if, kind, std::to_string(low), OptionOfDevice(kind),
                  what_if.FirstByName(best));
}

}  // namespace

absl::StatusOr<std::vector<Suggestion>> SuggestLess(const WhatIf& what_if) {
  const TaskRequirements& needs = what_if.needs();
  std::vector<Suggestion> suggestions;
  for (ResourceIndex i = 0; i < needs.resource_count; ++i) {
    if (needs.requests[i] == 0) continue;
    BERTH_ASSIGN_OR_RETURN(auto suggestion, TryResource(what_if, i));
    if (suggestion) suggestions.push_back(*std::move(suggestion));
  }
  for (size_t i = 0; i < needs.shared.size(); ++i) {
    BERTH_ASSIGN_OR_RETURN(auto suggestion, TryShared(what_if, i));
    if (suggestion) suggestions.push_back(*std::move(suggestion));
  }
  for (size_t i = 0; i < needs.devices.size(); ++i) {
    BERTH_ASSIGN_OR_RETURN(auto suggestion, TryDevice(what_if, i));
    if (suggestion) suggestions.push_back(*std::move(suggestion));
  }
  return suggestions;
}

}  // namespace berth::pipeline
