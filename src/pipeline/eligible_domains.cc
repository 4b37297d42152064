#include "pipeline/eligible_domains.h"

#include "base/sort_unique.h"
#include "base/status_macros.h"
#include "engine/run_plugins.h"
#include "pipeline/all_nodes.h"

namespace berth::pipeline {
namespace {

absl::StatusOr<std::vector<DomainKey>> KeysOf(const Profile& profile,
                                              const TaskRequirements& needs) {
  std::vector<DomainKey> keys;
  const auto append = [&](const Plugin& plugin) {
    return engine::AppendKeys(dynamic_cast<const DomainPlugin&>(plugin), needs, keys);
  };
  for (const FilterPlugin* filter : profile.filters()) {
    if (filter->scope() != Scope::kDomain) continue;
    BERTH_ASSIGN_OR_RETURN(const bool passes_all, engine::PassesAll(*filter, needs));
    if (!passes_all) BERTH_RETURN_IF_ERROR(append(*filter));
  }
  for (const engine::WeightedScore& score : profile.scores()) {
    if (score.plugin == nullptr || score.plugin->scope() != Scope::kDomain) continue;
    BERTH_ASSIGN_OR_RETURN(const bool scores_nodes, engine::ScoresNodes(score, needs));
    if (scores_nodes) BERTH_RETURN_IF_ERROR(append(*score.plugin));
  }
  return keys;
}

}  // namespace

absl::StatusOr<std::optional<DomainsByScan>> DomainsByScan::Find(const Profile& profile,
                                                                 const TaskView& task,
                                                                 const NodeColumns& columns) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<DomainKey> keys, KeysOf(profile, task.needs));
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
