// A node table with its shapes, as tests use it: by name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/strings.h"
#include "berth/task_view.h"
#include "engine/engine.h"
#include "state/node_table.h"
#include "state/requirements_table.h"
#include "tests/support/node_builder.h"
#include "tests/support/task_builder.h"

namespace berth::testing {

// Threading: one thread. A wrong step ends the test program.
class Cluster {
 public:
  explicit Cluster(uint64_t seed = 1) : table_(seed) {}

  // Registers a node and makes it ready.
  Slot Add(const state::NodeSpec& spec) {
    const auto slot = table_.Put(spec);
    BERTH_CHECK(slot.ok()) << base::S(slot.status().message());
    table_.SetReady(*slot, true);
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
    const Slot slot = table_.Find(name);
    BERTH_CHECK(slot != kNoSlot) << "no node " << name;
    return slot;
  }
  // "" for kNoSlot.
  std::string NameOf(Slot slot) const { return slot == kNoSlot ? "" : table_.name(slot); }
  // In order of slots.
  std::vector<std::string> NamesOf(const NodeMask& nodes) const {
    std::vector<std::string> names;
    nodes.ForEach([&](Slot slot) { names.push_back(table_.name(slot)); });
    return names;
  }

  // Valid for as long as this.
  const TaskRequirements& Needs(const state::NeedsSpec& needs) {
    const auto shape = shapes_.Acquire(needs, 0, table_, /*intern_unknown=*/true);
    BERTH_CHECK(shape.ok()) << base::S(shape.status().message());
    const TaskRequirements& requirements = shapes_.Get(*shape);
    keys_[&requirements] = {*shape, shapes_.serial(*shape)};
    return requirements;
  }
  // REQUIRES: it is one of Needs().
  engine::ShapeKey KeyOf(const TaskRequirements& needs) const { return keys_.at(&needs); }
  const TaskRequirements& Needs(const TaskBuilder& builder) { return Needs(builder.Build()); }

  // Fills a part of a node, without asking whether it fits.
  void Fill(std::string_view name, const TaskBuilder& builder,
            const Reservation& reservation = {}) {
    table_.Allocate(At(name), Needs(builder), reservation);
  }

  state::NodeTable& table() { return table_; }
  const state::NodeTable& table() const { return table_; }

 private:
  state::NodeTable table_;
  state::RequirementsTable shapes_;
  std::map<const TaskRequirements*, engine::ShapeKey> keys_;
};

}  // namespace berth::testing
