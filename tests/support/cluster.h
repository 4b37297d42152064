// A node table with its shapes, as tests use it: by name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/strings.h"
#include "berth/task_view.h"
#include "engine/engine.h"
#include "state/cluster_state.h"
#include "tests/support/node_builder.h"
#include "tests/support/task_builder.h"

namespace berth::testing {

// Threading: one thread. A wrong step ends the test program.
class Cluster {
 public:
  explicit Cluster(uint64_t seed = 1) : state_({.cluster_id = "test", .seed = seed}, 16) {}

  // Registers a node and makes it ready.
  Slot Add(const state::NodeSpec& spec) {
    const auto slot = table().Put(spec);
    BERTH_CHECK(slot.ok()) << base::S(slot.status().message());
    table().SetReady(*slot, true);
    return *slot;
  }
  Slot Add(const NodeBuilder& builder) { return Add(builder.Build()); }

  // `count` nodes named "<prefix>0", "<prefix>1", ... that are otherwise like `builder`'s.
  void AddMany(std::string_view prefix, int count, const NodeBuilder& builder) {
    state::NodeSpec spec = builder.Build();
    for (int i = 0; i < count; ++i) {
      spec.name = std::string(prefix) + std::to_string(i);
      Add(spec);
    }
  }

  Slot At(std::string_view name) const {
    const Slot slot = table().Find(name);
    BERTH_CHECK(slot != kNoSlot) << "no node " << name;
    return slot;
  }
  // "" for kNoSlot.
  std::string NameOf(Slot slot) const { return slot == kNoSlot ? "" : table().name(slot); }
  // In order of slots.
  std::vector<std::string> NamesOf(const NodeMask& nodes) const {
    std::vector<std::string> names;
    nodes.ForEach([&](Slot slot) { names.push_back(table().name(slot)); });
    return names;
  }

  // Valid for as long as this.
  const TaskRequirements& Needs(const state::NeedsSpec& needs) {
    const auto shape = state_.requirements().Acquire(needs, 0, table(), /*intern_unknown=*/true);
    BERTH_CHECK(shape.ok()) << base::S(shape.status().message());
    const TaskRequirements& requirements = state_.requirements().Get(*shape);
    keys_[&requirements] = {*shape, state_.requirements().serial(*shape)};
    return requirements;
  }
  // REQUIRES: it is one of Needs().
  engine::ShapeKey KeyOf(const TaskRequirements& needs) const { return keys_.at(&needs); }
  const TaskRequirements& Needs(const TaskBuilder& builder) { return Needs(builder.Build()); }

  // Fills a part of a node, without asking whether it fits.
  void Fill(std::string_view name, const TaskBuilder& builder,
            const Reservation& reservation = {}) {
    table().Allocate(At(name), Needs(builder), reservation);
  }

  // ---- jobs of one task, for what rules between tasks mean ----

  // Their requirements change whenever a job with rules comes or ends.
  state::JobRow& AddJob(const std::string& ns, std::map<std::string, std::string> labels,
                        const state::NeedsSpec& needs) {
    auto spec = std::make_shared<state::JobSpec>();
    spec->ns = ns;
    spec->labels = std::move(labels);
    spec->groups.resize(1);
    spec->groups[0].ranges = {{0, 0, 1}};
    spec->groups[0].needs = needs;
    const auto shape = state_.requirements().Acquire(needs, 0, table(), /*intern_unknown=*/true);
    BERTH_CHECK(shape.ok()) << base::S(shape.status().message());
    state::JobRow& job = state_.AddJob(std::move(spec), std::make_shared<const std::string>(),
                                       {*shape}, "uid:0", {}, 0, 0);
    state_.JoinTerms(job);
    SyncTerms();
    return job;
  }
  const TaskRequirements& NeedsOf(const state::JobRow& job) {
    const state::ShapeId shape = job.groups[0].shape;
    const TaskRequirements& needs = state_.requirements().Get(shape);
    keys_[&needs] = {shape, state_.requirements().serial(shape)};
    return needs;
  }
  void Bind(state::JobRow& job, Slot slot, const Reservation& reservation) {
    const TaskKey key{job.id, 0, 0};
    state_.Materialise(job, 0, 0);
    state_.Row(key).slot = slot;
    state_.Row(key).reservation = reservation;
    state_.Move(job, key, state::TaskState::kBound);
    state_.Hold(job, key);
  }
  // It ends, and is forgotten.
  void End(state::JobRow& job) {
    const TaskKey key{job.id, 0, 0};
    state_.Materialise(job, 0, 0);
    if (state_.Row(key).slot != kNoSlot) state_.LetGo(job, key);
    job.ended_at_ms = 1;
    state_.LeaveTerms(job);
    SyncTerms();
    state_.RemoveJob(job.id);
  }

  state::NodeTable& table() { return state_.nodes(); }
  const state::NodeTable& table() const { return state_.nodes(); }

 private:
  void SyncTerms() {
    for (const state::GroupKey& stale : state_.TakeStaleGroups()) {
      state_.Reshape(*state_.FindJob(stale.job), stale.group);
    }
    state_.DropUnusedTerms();
  }

  state::ClusterState state_;
  std::map<const TaskRequirements*, engine::ShapeKey> keys_;
};

}  // namespace berth::testing
