#include "state/requirements_table.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/fixed_hash.h"

namespace berth::state {
namespace {

// ---- names: each that requirements hold has one user more while they are there ----

LabelId AcquireLabel(Names& names, const std::string& key, const std::string& value) {
  return LabelId{names.labels.Acquire(LabelName(key, value))};
}

LabelSelector Compile(const LabelSelectorSpec& spec, Names& names) {
  LabelSelector selector;
  for (const LabelRequirementSpec& requirement : spec) {
    LabelRequirement compiled{.op = requirement.op,
                              .key = KeyId{names.keys.Acquire(requirement.key)},
                              .values = {},
                              .bound = requirement.bound};
    for (const std::string& value : requirement.values) {
      compiled.values.push_back(AcquireLabel(names, requirement.key, value));
    }
    selector.push_back(std::move(compiled));
  }
  return selector;
}

// Calls f(dictionary, id) for each name that requirements hold, as often as they hold it.
template <typename F>
void ForEachName(const LabelSelector& selector, Names& names, F&& f) {
  for (const LabelRequirement& requirement : selector) {
    f(names.keys, requirement.key.value);
    for (const LabelId label : requirement.values) f(names.labels, label.value);
  }
}

template <typename F>
void ForEachName(const TaskRequirements& needs, Names& names, F&& f) {
  for (const DeviceNeed& device : needs.devices) {
    f(names.kinds, device.kind.value);
    for (const ModelId model : device.models) f(names.models, model.value);
  }
  for (const LabelId label : needs.node_selector) f(names.labels, label.value);
  for (const LabelSelector& selector : needs.required_nodes) ForEachName(selector, names, f);
  for (const PreferredNodes& preferred : needs.preferred_nodes) {
    ForEachName(preferred.selector, names, f);
  }
  for (const Toleration& toleration : needs.tolerations) {
    if (toleration.key) f(names.keys, toleration.key->value);
    if (toleration.key_value) f(names.labels, toleration.key_value->value);
  }
}

void ReleaseNames(const TaskRequirements& needs, Names& names) {
  ForEachName(needs, names, [](Dictionary& dictionary, uint32_t id) { dictionary.Release(id); });
}

class Hasher {
 public:
  void Mix(uint64_t word) { hash_ = base::FixedHashCombine(hash_, word); }
  void Mix(const LabelSelector& selector) {
    Mix(selector.size());
    for (const LabelRequirement& requirement : selector) {
      Mix(static_cast<uint64_t>(requirement.op));
      Mix(requirement.key.value);
      Mix(static_cast<uint64_t>(requirement.bound));
      Mix(requirement.values.size());
      for (const LabelId label : requirement.values) Mix(label.value);
    }
  }
  // An id that may be absent.
  template <typename Id>
  void Mix(const std::optional<Id>& id) {
    Mix(id ? uint64_t{id->value} + 1 : 0);
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0;
};

// A box is the same whichever way it is turned, so extents stand in one order.
BoxExtents BoxOf(const std::vector<int32_t>& extents) {
  BoxExtents box{};
  if (extents.empty()) return box;
  BERTH_CHECK(extents.size() <= kTorusAxes);
  box.fill(1);
  for (size_t i = 0; i < extents.size(); ++i) {
    BERTH_CHECK(extents[i] >= 1 && extents[i] <= kMaxTorusExtent);
    box[i] = static_cast<uint8_t>(extents[i]);
  }
  std::sort(box.begin(), box.end(), std::greater<>());
  return box;
}

// Acquires the names of what it returns, and none when it returns an error.
absl::StatusOr<TaskRequirements> Compile(const NeedsSpec& spec, uint32_t profile, NodeTable& nodes,
                                         bool intern_unknown) {
  Names& names = nodes.names();
  TaskRequirements needs;
  needs.profile = profile;
  for (ResourceIndex i = 0; i < kFirstExtended; ++i) needs.requests[i] = spec.requests.builtin[i];
  for (const auto& [name, amount] : spec.requests.extended) {
    if (const SharedResource* shared = nodes.FindShared(name)) {
      const auto number = static_cast<uint32_t>(shared - nodes.shared_resources().data());
      if (amount > 0) needs.shared.push_back({number, shared->key, shared->counter, amount});
      continue;
    }
    if (!intern_unknown && names.extended.Find(name) == Dictionary::kNone) {
      return absl::FailedPreconditionError(
          "resource \"" + name + "\": no node of this cluster has it, nor the cluster itself; " +
          "'berth get nodes -o wide' shows what nodes have");
    }
    const auto column = ResourceColumn(names, name);
    if (!column.ok()) return column.status();
    needs.requests[*column] = amount;
    needs.resource_count = std::max(needs.resource_count, *column + 1);
  }
  std::sort(needs.shared.begin(), needs.shared.end(),
            [](const SharedUse& a, const SharedUse& b) { return a.resource < b.resource; });
  for (const DeviceNeedSpec& device : spec.devices) {
    DeviceNeed need{.kind = KindId{names.kinds.Acquire(device.kind)},
                    .count = device.count,
                    .share_milli = device.share_milli,
                    .memory_mib = device.memory_mib,
                    .models = {},
                    .box = BoxOf(device.box)};
    for (const std::string& model : device.models) {
      need.models.push_back(ModelId{names.models.Acquire(model)});
    }
    std::sort(need.models.begin(), need.models.end());
    needs.devices.push_back(std::move(need));
  }
  for (const auto& [key, value] : spec.node_selector) {
    needs.node_selector.push_back(AcquireLabel(names, key, value));
  }
  std::sort(needs.node_selector.begin(), needs.node_selector.end());
  for (const LabelSelectorSpec& selector : spec.required_nodes) {
    needs.required_nodes.push_back(Compile(selector, names));
  }
  for (const PreferredNodesSpec& preferred : spec.preferred_nodes) {
    needs.preferred_nodes.push_back({preferred.weight, Compile(preferred.selector, names)});
  }
  for (const TolerationSpec& toleration : spec.tolerations) {
    Toleration compiled;
    if (!toleration.key.empty()) {
      compiled.key = KeyId{names.keys.Acquire(toleration.key)};
      if (toleration.value) {
        compiled.key_value = AcquireLabel(names, toleration.key, *toleration.value);
      }
    }
    compiled.effect = toleration.effect;
    needs.tolerations.push_back(compiled);
  }
  return needs;
}

}  // namespace

TaskTraits TraitsOf(const GroupHints& hints) {
  return {.bound_by = hints.bound_by, .has_data = !hints.data.empty()};
}

uint64_t HashOf(const TaskRequirements& needs) {
  Hasher hasher;
  hasher.Mix(uint64_t{needs.profile});
  for (const int32_t amount : needs.requests) hasher.Mix(static_cast<uint32_t>(amount));
  for (const SharedUse& use : needs.shared) {
    hasher.Mix(use.resource | uint64_t{static_cast<uint32_t>(use.amount)} << 32);
  }
  hasher.Mix(needs.shared.size());
  for (const DeviceNeed& device : needs.devices) {
    hasher.Mix(device.kind.value);
    hasher.Mix(static_cast<uint32_t>(device.count) |
               uint64_t{static_cast<uint32_t>(device.share_milli)} << 32);
    hasher.Mix(static_cast<uint32_t>(device.memory_mib) | uint64_t{device.box[0]} << 32 |
               uint64_t{device.box[1]} << 40 | uint64_t{device.box[2]} << 48);
    hasher.Mix(device.models.size());
    for (const ModelId model : device.models) hasher.Mix(model.value);
  }
  hasher.Mix(needs.node_selector.size());
  for (const LabelId label : needs.node_selector) hasher.Mix(label.value);
  hasher.Mix(needs.required_nodes.size());
  for (const LabelSelector& selector : needs.required_nodes) hasher.Mix(selector);
  for (const PreferredNodes& preferred : needs.preferred_nodes) {
    hasher.Mix(static_cast<uint64_t>(preferred.weight));
    hasher.Mix(preferred.selector);
  }
  hasher.Mix(needs.tolerations.size());
  for (const Toleration& toleration : needs.tolerations) {
    hasher.Mix(toleration.key);
    hasher.Mix(toleration.key_value);
    hasher.Mix(toleration.effect ? static_cast<uint64_t>(*toleration.effect) + 1 : 0);
  }
  for (const std::vector<TermUse>* terms : {&needs.terms, &needs.others_terms}) {
    hasher.Mix(terms->size());
    for (const TermUse& term : *terms) {
      hasher.Mix(static_cast<uint64_t>(term.kind) | uint64_t{term.counts_itself} << 8 |
                 uint64_t{term.key.value} << 32);
      hasher.Mix(term.counter.value | uint64_t{static_cast<uint32_t>(term.weight)} << 32);
      hasher.Mix(static_cast<uint64_t>(term.max_skew));
    }
  }
  hasher.Mix(needs.counted_in.size());
  for (const CounterId counter : needs.counted_in) hasher.Mix(counter.value);
  hasher.Mix((needs.bound_by ? static_cast<uint64_t>(*needs.bound_by) + 1 : 0) |
             uint64_t{needs.has_data} << 8);
  return hasher.hash();
}

absl::StatusOr<ShapeId> RequirementsTable::Acquire(const NeedsSpec& needs, uint32_t profile,
                                                   NodeTable& nodes, bool intern_unknown,
                                                   const TaskTraits& traits) {
  auto compiled = Compile(needs, profile, nodes, intern_unknown);
  if (!compiled.ok()) return compiled.status();
  compiled->bound_by = traits.bound_by;
  compiled->has_data = traits.has_data;
  return Intern(*std::move(compiled), nodes);
}

ShapeId RequirementsTable::AcquireUnder(const TaskRules& rules, ShapeId shape, NodeTable& nodes) {
  TaskRequirements needs = Get(shape);
  needs.terms = rules.terms;
  needs.others_terms = rules.others_terms;
  needs.counted_in = rules.counted_in;
  return InternCopy(std::move(needs), nodes);
}

ShapeId RequirementsTable::AcquireWith(const TaskTraits& traits, ShapeId shape, NodeTable& nodes) {
  TaskRequirements needs = Get(shape);
  needs.bound_by = traits.bound_by;
  needs.has_data = traits.has_data;
  return InternCopy(std::move(needs), nodes);
}

ShapeId RequirementsTable::InternCopy(TaskRequirements needs, NodeTable& nodes) {
  ForEachName(needs, nodes.names(),
              [](Dictionary& dictionary, uint32_t id) { dictionary.AddUser(id); });
  return Intern(std::move(needs), nodes);
}

ShapeId RequirementsTable::Intern(TaskRequirements needs, NodeTable& nodes) {
  const uint64_t hash = HashOf(needs);
  for (auto [it, end] = by_hash_.equal_range(hash); it != end; ++it) {
    if (Get(it->second) == needs) {
      ++shapes_[it->second].users;
      ReleaseNames(needs, nodes.names());
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
  shapes_[shape] = {std::make_unique<const TaskRequirements>(std::move(needs)), hash, 1,
                    next_serial_++};
  by_hash_.emplace(hash, shape);
  return shape;
}

void RequirementsTable::Release(ShapeId shape, NodeTable& nodes) {
  Entry& entry = shapes_[shape];
  BERTH_CHECK(entry.users > 0);
  if (--entry.users > 0) return;
  for (auto [it, end] = by_hash_.equal_range(entry.hash); it != end; ++it) {
    if (it->second == shape) {
      by_hash_.erase(it);
      break;
    }
  }
  ReleaseNames(*entry.requirements, nodes.names());
  nodes.outside_scores().Drop(shape);
  entry.requirements.reset();
  free_.push_back(shape);
}

}  // namespace berth::state
