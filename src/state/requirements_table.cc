#include "state/requirements_table.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/fixed_hash.h"

namespace berth::state {
namespace {

LabelSelector Compile(const LabelSelectorSpec& spec, NodeTable& nodes) {
  LabelSelector selector;
  for (const LabelRequirementSpec& requirement : spec) {
    LabelRequirement compiled{.op = requirement.op,
                              .key = nodes.InternKey(requirement.key),
                              .values = {},
                              .bound = requirement.bound};
    for (const std::string& value : requirement.values) {
      compiled.values.push_back(nodes.InternLabel(requirement.key, value));
    }
    selector.push_back(std::move(compiled));
  }
  return selector;
}

uint64_t Hash(const TaskRequirements& needs) {
  uint64_t hash = base::FixedHash(uint64_t{needs.profile});
  auto mix = [&hash](uint64_t word) { hash = base::FixedHashCombine(hash, word); };
  for (const int32_t amount : needs.requests) mix(static_cast<uint32_t>(amount));
  for (const DeviceNeed& device : needs.devices) {
    mix(device.kind.value);
    mix(static_cast<uint32_t>(device.count) | uint64_t{static_cast<uint32_t>(device.share_milli)}
                                                  << 32);
    mix(static_cast<uint32_t>(device.memory_mib));
    for (const ModelId model : device.models) mix(model.value);
  }
  for (const LabelId label : needs.node_selector) mix(label.value);
  mix(needs.required_nodes.size());
  mix(needs.preferred_nodes.size());
  mix(needs.tolerations.size());
  return hash;
}

absl::StatusOr<TaskRequirements> Compile(const NeedsSpec& spec, uint32_t profile, NodeTable& nodes,
                                         bool intern_unknown) {
  TaskRequirements needs;
  needs.profile = profile;
  for (ResourceIndex i = 0; i < kFirstExtended; ++i) needs.requests[i] = spec.requests.builtin[i];
  for (const auto& [name, amount] : spec.requests.extended) {
    if (!intern_unknown && nodes.names().extended.Find(name) == Dictionary::kNone) {
      return absl::FailedPreconditionError(
          "resource \"" + name + "\": no node of this cluster has it; 'berth get nodes -o wide' " +
          "shows what there is");
    }
    const auto column = ResourceColumn(nodes.names(), name);
    if (!column.ok()) return column.status();
    needs.requests[*column] = amount;
    needs.resource_count = std::max(needs.resource_count, *column + 1);
  }
  for (const DeviceNeedSpec& device : spec.devices) {
    DeviceNeed need{.kind = KindId{nodes.names().kinds.Intern(device.kind)},
                    .count = device.count,
                    .share_milli = device.share_milli,
                    .memory_mib = device.memory_mib,
                    .models = {}};
    for (const std::string& model : device.models) {
      need.models.push_back(ModelId{nodes.names().models.Intern(model)});
    }
    std::sort(need.models.begin(), need.models.end());
    needs.devices.push_back(std::move(need));
  }
  for (const auto& [key, value] : spec.node_selector) {
    needs.node_selector.push_back(nodes.InternLabel(key, value));
  }
  std::sort(needs.node_selector.begin(), needs.node_selector.end());
  for (const LabelSelectorSpec& selector : spec.required_nodes) {
    needs.required_nodes.push_back(Compile(selector, nodes));
  }
  for (const PreferredNodesSpec& preferred : spec.preferred_nodes) {
    needs.preferred_nodes.push_back({preferred.weight, Compile(preferred.selector, nodes)});
  }
  for (const TolerationSpec& toleration : spec.tolerations) {
    Toleration compiled;
    if (!toleration.key.empty()) {
      compiled.key = nodes.InternKey(toleration.key);
      if (toleration.value) {
        compiled.key_value = nodes.InternLabel(toleration.key, *toleration.value);
      }
    }
    compiled.effect = toleration.effect;
    needs.tolerations.push_back(compiled);
  }
  return needs;
}

}  // namespace

absl::StatusOr<ShapeId> RequirementsTable::Acquire(const NeedsSpec& needs, uint32_t profile,
                                                   NodeTable& nodes, bool intern_unknown) {
  auto compiled = Compile(needs, profile, nodes, intern_unknown);
  if (!compiled.ok()) return compiled.status();
  const uint64_t hash = Hash(*compiled);
  for (auto [it, end] = by_hash_.equal_range(hash); it != end; ++it) {
    if (Get(it->second) == *compiled) {
      ++shapes_[it->second].users;
      return it->second;
    }
  }
  ShapeId shape;
  if (free_.empty()) {
    shape = static_cast<ShapeId>(shapes_.size());
    shapes_.emplace_back();
  } else {
    shape = free_.back();
    free_.pop_back();
  }
  shapes_[shape] = {std::make_unique<const TaskRequirements>(*std::move(compiled)), hash, 1};
  by_hash_.emplace(hash, shape);
  return shape;
}

void RequirementsTable::Release(ShapeId shape) {
  Entry& entry = shapes_[shape];
  BERTH_CHECK(entry.users > 0);
  if (--entry.users > 0) return;
  for (auto [it, end] = by_hash_.equal_range(entry.hash); it != end; ++it) {
    if (it->second == shape) {
      by_hash_.erase(it);
      break;
    }
  }
  entry.requirements.reset();
  free_.push_back(shape);
}

}  // namespace berth::state
