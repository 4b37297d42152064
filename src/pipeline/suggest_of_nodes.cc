#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/quantities.h"
#include "base/status_macros.h"
#include "berth/resources.h"
#include "pipeline/reason_text.h"
#include "pipeline/suggestion_finders.h"
#include "pipeline/uncordoned_columns.h"

namespace berth::pipeline {
namespace {

// Most nodes of which the devices are looked at one by one.
constexpr size_t kMostDeviceNodes = 64;

// What one node lacks now, in quanta.
struct Shortfall {
  Slot slot = kNoSlot;
  std::vector<std::pair<ResourceIndex, int32_t>> resources;
  std::vector<Lack> devices;
  int64_t per_mille = 0;  // of its capacity, over all resources

  size_t size() const { return resources.size() + devices.size(); }
};

bool LessWanting(const Shortfall& a, const Shortfall& b, const state::NodeTable& table) {
  return std::forward_as_tuple(a.size(), a.per_mille, table.name(a.slot)) <
         std::forward_as_tuple(b.size(), b.per_mille, table.name(b.slot));
}

Shortfall ResourcesLacking(const WhatIf& what_if, Slot slot) {
  const state::NodeTable& table = what_if.table();
  Shortfall lacking{.slot = slot};
  for (ResourceIndex i = 0; i < what_if.needs().resource_count; ++i) {
    const int32_t request = what_if.needs().requests[i];
    const int32_t missing = request - what_if.Available(i, slot);
    if (request == 0 || missing <= 0) continue;
    lacking.resources.emplace_back(i, missing);
    lacking.per_mille += int64_t{missing} * 1000 / std::max(1, table.capacity(i)[slot]);
  }
  return lacking;
}

// The largest value below `wanted` with which the task, asking for nothing countable, fits the
// node; 0 if there is none. `set` puts it into the requirements.
template <typename Set>
absl::StatusOr<int32_t> LargestThatFits(const WhatIf& what_if, Slot slot, TaskRequirements needs,
                                        int32_t wanted, Set set) {
  int32_t low = 0;
  int32_t high = wanted;
  while (high - low > 1) {
    const int32_t middle = low + (high - low) / 2;
    set(needs, middle);
    BERTH_ASSIGN_OR_RETURN(const bool fits, what_if.FitsOn(needs, slot));
    (fits ? low : high) = middle;
  }
  return low;
}

// What the node lacks of one need; nothing if it has it.
absl::StatusOr<std::optional<Lack>> DeviceLacking(const WhatIf& what_if,
                                                  const TaskRequirements& bare, size_t index,
                                                  Slot slot) {
  const DeviceNeed& need = what_if.needs().devices[index];
  const std::string& kind = what_if.table().names().kinds.Name(need.kind.value);
  TaskRequirements one = bare;
  one.devices = {need};
  BERTH_ASSIGN_OR_RETURN(const bool has_it, what_if.FitsOn(one, slot));
  if (has_it) return std::nullopt;
  if (need.has_box()) return Lack{kind + " box", 1};
  if (need.share_milli == 1000) {
    BERTH_ASSIGN_OR_RETURN(
        const int32_t count,
        LargestThatFits(what_if, slot, one, need.count,
                        [](TaskRequirements& needs, int32_t n) { needs.devices[0].count = n; }));
    return Lack{kind, need.count - count};
  }
  const auto set_memory = [](TaskRequirements& needs, int32_t mib) {
    needs.devices[0].memory_mib = mib;
  };
  TaskRequirements without_memory = one;
  set_memory(without_memory, 0);
  BERTH_ASSIGN_OR_RETURN(const bool share_fits, what_if.FitsOn(without_memory, slot));
  if (share_fits) {
    BERTH_ASSIGN_OR_RETURN(const int32_t mib,
                           LargestThatFits(what_if, slot, one, need.memory_mib, set_memory));
    return Lack{kind + " memory", (need.memory_mib - mib) * kMemoryQuantumBytes};
  }
  BERTH_ASSIGN_OR_RETURN(const int32_t share,
                         LargestThatFits(what_if, slot, without_memory, need.share_milli,
                                         [](TaskRequirements& needs, int32_t milli) {
                                           needs.devices[0].share_milli = milli;
                                         }));
  return Lack{kind + " share", need.share_milli - share};
}

// "2x2 box of tpu", of "tpu box".
std::string BoxOfWhat(const WhatIf& what_if, const Lack& lack) {
  for (const DeviceNeed& need : what_if.needs().devices) {
    const std::string& kind = what_if.table().names().kinds.Name(need.kind.value);
    if (lack.subject == kind + " box") return BoxText(need.box) + " box of " + kind;
  }
  return lack.subject;
}

// "820Mi more memory" and "820Mi memory" of the same.
struct LackWords {
  std::string amount;
  std::string of_what;
};

LackWords WordsOf(const WhatIf& what_if, const Lack& lack) {
  if (lack.subject.ends_with(" box")) {
    return {std::to_string(lack.amount), BoxOfWhat(what_if, lack)};
  }
  if (lack.subject.ends_with(" memory")) return {base::FormatBytes(lack.amount), lack.subject};
  if (lack.subject.ends_with(" share")) {
    return {base::FormatCpuMilli(lack.amount),
            "of one " + lack.subject.substr(0, lack.subject.rfind(' '))};
  }
  return {std::to_string(lack.amount), lack.subject};
}

Suggestion MakeFreeing(const WhatIf& what_if, const Shortfall& lacking) {
  const state::NodeTable& table = what_if.table();
  Suggestion suggestion{.kind = SuggestionKind::kFree};
  suggestion.node = table.name(lacking.slot);
  const auto add = [&](Lack lack, const LackWords& words) {
    const std::string separator = suggestion.value.empty() ? "" : " and ";
    suggestion.value += separator + words.amount + " " + words.of_what;
    suggestion.change += separator + words.amount + " more " + words.of_what;
    suggestion.lacks.push_back(std::move(lack));
  };
  for (const auto& [resource, missing] : lacking.resources) {
    const std::string name = state::ResourceName(table.names(), resource);
    add({name, WireAmount(resource, missing)}, {AmountText(resource, missing), name});
  }
  for (const Lack& lack : lacking.devices) add(lack, WordsOf(what_if, lack));
  suggestion.change += " free on " + suggestion.node;
  suggestion.text = "with " + suggestion.change + " it fits there now";
  return suggestion;
}

// The node that lacks least of those that have all the task asks for, but not free.
absl::StatusOr<std::optional<Suggestion>> SuggestFreeing(const WhatIf& what_if,
                                                         const NodeMask& possible) {
  TaskRequirements bare = what_if.needs();
  bare.requests.fill(0);
  bare.devices.clear();
  BERTH_ASSIGN_OR_RETURN(NodeMask nodes, what_if.NodesNow(bare, what_if.table()));
  nodes.And(possible);
  std::vector<Shortfall> found;
  nodes.ForEach([&](Slot slot) { found.push_back(ResourcesLacking(what_if, slot)); });
  const auto less = [&](const Shortfall& a, const Shortfall& b) {
    return LessWanting(a, b, what_if.table());
  };
  if (!what_if.needs().devices.empty()) {
    const size_t kept = std::min(found.size(), kMostDeviceNodes);
    std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end(),
                      less);
    found.resize(kept);
    for (Shortfall& lacking : found) {
      for (size_t i = 0; i < what_if.needs().devices.size(); ++i) {
        BERTH_ASSIGN_OR_RETURN(auto lack, DeviceLacking(what_if, bare, i, lacking.slot));
        if (!lack) continue;
        lacking.per_mille += lack->amount;
        lacking.devices.push_back(*std::move(lack));
      }
    }
  }
  std::erase_if(found, [](const Shortfall& lacking) { return lacking.size() == 0; });
  if (found.empty()) return std::nullopt;
  return MakeFreeing(what_if, *std::min_element(found.begin(), found.end(), less));
}

absl::StatusOr<std::optional<Suggestion>> SuggestUncordoning(const WhatIf& what_if) {
  if (!what_if.table().cordoned().Any()) return std::nullopt;
  const UncordonedColumns columns(what_if.table());
  BERTH_ASSIGN_OR_RETURN(const NodeMask fit, what_if.NodesNow(what_if.needs(), columns));
  if (!fit.Any()) return std::nullopt;
  Suggestion suggestion{.kind = SuggestionKind::kUncordon};
  suggestion.node = what_if.table().name(what_if.FirstByName(fit));
  suggestion.change = "uncordon " + suggestion.node;
  suggestion.text = "if " + suggestion.node + " were uncordoned it would fit there now";
  return suggestion;
}

}  // namespace

absl::StatusOr<std::vector<Suggestion>> SuggestOfNodes(const WhatIf& what_if,
                                                       const NodeMask& possible) {
  std::vector<Suggestion> suggestions;
  BERTH_ASSIGN_OR_RETURN(auto freeing, SuggestFreeing(what_if, possible));
  if (freeing) suggestions.push_back(*std::move(freeing));
  BERTH_ASSIGN_OR_RETURN(auto uncordoning, SuggestUncordoning(what_if));
  if (uncordoning) suggestions.push_back(*std::move(uncordoning));
  return suggestions;
}

}  // namespace berth::pipeline
