// Rules between tasks, and what is thought of tasks, as part of the cluster's state: which
// requirements each group has by them.
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "state/cluster_state.h"

namespace berth::state {

int64_t ClusterState::MoveShapes(JobRow& job, uint32_t group_index,
                                 const std::function<ShapeId(ShapeId shape)>& acquire) {
  GroupRow& group = job.groups[group_index];
  const ShapeId before = group.shape;
  group.shape = acquire(before);
  // Rows with shapes of their own, each shape with as many users as rows.
  std::map<ShapeId, ShapeId> fresh;
  for (const auto& [shape, apart] : group.apart) fresh[shape] = acquire(shape);
  for (auto& [position, row] : group.rows) {
    const TaskKey key{job.id, group_index, position};
    const ShapeId old = row.own_shape.value_or(before);
    const ShapeId now = row.own_shape ? fresh.at(old) : group.shape;
    if (row.slot != kNoSlot && TasksOn(row.slot).contains(key)) {
      const TaskRequirements& was = requirements_.Get(old);
      const TaskRequirements& is = requirements_.Get(now);
      nodes_.Recount(row.slot, was.counted_in, is.counted_in);
      nodes_.Reclass(row.slot, was, is);
    }
    if (row.own_shape) row.own_shape = now;
  }
  absl::btree_map<ShapeId, GroupRow::Apart> apart;
  for (auto& [shape, rows] : group.apart) {
    const ShapeId now = fresh.at(shape);
    for (int64_t i = 1; i < rows.rows; ++i) requirements_.AddUser(now);
    for (int64_t i = 0; i < rows.rows; ++i) requirements_.Release(shape, nodes_);
    apart[now] = std::move(rows);
  }
  group.apart = std::move(apart);
  requirements_.Release(before, nodes_);
  return 1 + static_cast<int64_t>(group.rows.size());
}

int64_t ClusterState::Reshape(JobRow& job, uint32_t group_index) {
  GroupRow& group = job.groups[group_index];
  const TaskRules rules =
      job.ended() ? TaskRules{} : terms_.RulesOf({job.id, group_index}, *job.spec);
  {
    const TaskRequirements& now = requirements_.Get(group.shape);
    if (TaskRules{now.terms, now.others_terms, now.counted_in} == rules) return 1;
  }
  return MoveShapes(job, group_index, [&](ShapeId shape) {
    return requirements_.AcquireUnder(rules, shape, nodes_);
  });
}

int64_t ClusterState::SetHints(JobRow& job, uint32_t group_index, const GroupHints& hints) {
  GroupRow& group = job.groups[group_index];
  group.TakeHints(hints);
  journal_.push_back(HintsChange{job.id, group_index, hints});
  const TaskTraits traits = TraitsOf(hints);
  const TaskRequirements& now = requirements_.Get(group.shape);
  if (TaskTraits{now.bound_by, now.has_data} == traits) return 1;
  return MoveShapes(job, group_index, [&](ShapeId shape) {
    return requirements_.AcquireWith(traits, shape, nodes_);
  });
}

namespace {

// No job has this id.
constexpr JobId kVisitor{0};

}  // namespace

void ClusterState::CountForVisit(bool present) {
  for (const GroupKey& key : visited_) {
    const JobRow& job = *jobs_.at(key.job);
    const std::vector<CounterId> with_visitor = terms_.RulesOf(key, *job.spec).counted_in;
    const GroupRow& group = job.groups[key.group];
    for (const auto& [position, row] : group.rows) {
      if (row.slot == kNoSlot || !TasksOn(row.slot).contains({key.job, key.group, position})) {
        continue;
      }
      const TaskRequirements& needs = requirements_.Get(row.own_shape.value_or(group.shape));
      nodes_.Recount(row.slot, present ? needs.counted_in : with_visitor,
                     present ? with_visitor : needs.counted_in);
    }
  }
}

std::vector<TaskRules> ClusterState::BeginVisit(const JobSpec& spec) {
  terms_.Join(kVisitor, spec);
  visited_ = terms_.TakeStale();
  std::erase_if(visited_, [](const GroupKey& key) { return key.job == kVisitor; });
  CountForVisit(true);
  std::vector<TaskRules> rules;
  for (uint32_t g = 0; g < spec.groups.size(); ++g) {
    rules.push_back(terms_.RulesOf({kVisitor, g}, spec));
  }
  return rules;
}

void ClusterState::EndVisit(const JobSpec& spec) {
  CountForVisit(false);
  visited_.clear();
  terms_.Leave(kVisitor, spec);
  terms_.TakeStale();  // their requirements have not changed
  terms_.DropUnused();
}

}  // namespace berth::state
