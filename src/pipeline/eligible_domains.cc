#include "pipeline/eligible_domains.h"

#include "base/sort_unique.h"
#include "base/status_macros.h"
#include "pipeline/all_nodes.h"

namespace berth::pipeline {
namespace {

std::vector<DomainKey> KeysOf(const Profile& profile, const TaskRequirements& needs) {
  std::vector<DomainKey> keys;
  const auto append = [&](const Plugin& plugin) {
    dynamic_cast<const DomainPlugin&>(plugin).AppendKeys(needs, keys);
  };
  for (const FilterPlugin* filter : profile.filters()) {
    if (filter->scope() == Scope::kDomain && !filter->PassesAll(needs)) append(*filter);
  }
  for (const engine::WeightedScore& score : profile.scores()) {
    if (score.ScoresNodes(needs) && score.plugin->scope() == Scope::kDomain) append(*score.plugin);
  }
  return keys;
}

}  // namespace

absl::StatusOr<std::optional<DomainsByScan>> DomainsByScan::Find(const Profile& profile,
                                                                 const TaskView& task,
                                                                 const NodeColumns& columns) {
  const std::vector<DomainKey> keys = KeysOf(profile, task.needs);
  if (keys.empty()) return std::nullopt;
  NodeMask nodes = columns.live();
  for (const FilterPlugin* filter : profile.filters()) {
    if (filter->scope() != Scope::kNode || (filter->reads() & ~kReadsStatic) != 0) continue;
    BERTH_RETURN_IF_ERROR(FilterAll(*filter, task, columns, nodes));
  }
  for (const DomainKey& key : keys) {
    if (key.required) nodes.And(columns.with_key(key.key));
  }
  DomainsByScan found;
  for (const DomainKey& key : keys) {
    const std::span<const int32_t> domains = columns.domains(key.key);
    std::vector<int32_t>& eligible = found.domains_[key.key];
    nodes.ForEach([&](Slot slot) {
      if (domains[slot] != kNoDomain) eligible.push_back(domains[slot]);
    });
    base::SortUnique(eligible);
  }
  return found;
}

std::span<const int32_t> DomainsByScan::Of(KeyId key) const {
  const auto it = domains_.find(key);
  return it == domains_.end() ? std::span<const int32_t>() : it->second;
}

}  // namespace berth::pipeline
