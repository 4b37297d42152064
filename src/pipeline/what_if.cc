#include "pipeline/what_if.h"

#include <array>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "engine/run_plugins.h"
#include "pipeline/all_nodes.h"
#include "pipeline/eligible_domains.h"
#include "pipeline/possible_nodes.h"

namespace berth::pipeline {

absl::StatusOr<NodeMask> WhatIf::Nodes(const TaskRequirements& needs) const {
  if (goal_ == Goal::kFitsNow) return NodesNow(needs, table_);
  const TaskView task{needs, task_.key, task_.eligible};
  BERTH_ASSIGN_OR_RETURN(PossibleNodes possible,
                         FindPossibleNodes(profile_, task, table_, /*why_never=*/false));
  return std::move(possible.nodes);
}

absl::StatusOr<NodeMask> WhatIf::NodesNow(const TaskRequirements& needs,
                                          const NodeColumns& columns) const {
  // Other conditions, or other nodes, may open other domains to it.
  TaskView task{needs, task_.key};
  BERTH_ASSIGN_OR_RETURN(const std::optional<DomainsByScan> domains,
                         DomainsByScan::Find(profile_, task, columns));
  if (domains) task.eligible = &*domains;
  NodeMask feasible = columns.live();
  BERTH_RETURN_IF_ERROR(FilterAll(profile_, task, columns, feasible));
  return feasible;
}

absl::StatusOr<bool> WhatIf::FitsOn(const TaskRequirements& needs, Slot slot) const {
  const TaskView task{needs, task_.key, task_.eligible};
  BERTH_ASSIGN_OR_RETURN(const auto refusal, engine::RefusedBy(profile_.placing(), needs));
  if (refusal) return false;
  const std::array<Slot, 1> slots = {slot};
  std::array<uint64_t, 1> words = {1};
  SlotMask mask(SlotSpan::List(slots), words);
  for (const FilterPlugin* filter : profile_.filters()) {
    BERTH_ASSIGN_OR_RETURN(const bool passes_all, engine::PassesAll(*filter, needs));
    if (passes_all) continue;
    BERTH_RETURN_IF_ERROR(engine::RunFilter(*filter, task, table_, mask));
    if (!mask.Any()) return false;
  }
  return true;
}

int32_t WhatIf::Available(ResourceIndex resource, Slot slot) const {
  const int32_t capacity = table_.capacity(resource)[slot];
  return goal_ == Goal::kFitsEver ? capacity : capacity - table_.allocated(resource)[slot];
}

int32_t WhatIf::Available(const SharedUse& use, Slot slot) const {
  const int32_t domain = table_.domains(use.key)[slot];
  if (domain == kNoDomain) return 0;
  const int32_t capacity = table_.shared_capacity(use.resource);
  return goal_ == Goal::kFitsEver
             ? capacity
             : capacity - table_.counts(use.counter)[static_cast<size_t>(domain)];
}

Slot WhatIf::FirstByName(const NodeMask& nodes) const {
  Slot first = kNoSlot;
  nodes.ForEach([&](Slot slot) {
    if (first == kNoSlot || table_.name(slot) < table_.name(first)) first = slot;
  });
  return first;
}

}  // namespace berth::pipeline
