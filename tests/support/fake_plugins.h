// Plugins that do what a test tells them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "berth/filter.h"
#include "berth/plugin_registry.h"
#include "berth/queue_sort.h"
#include "berth/reserve.h"
#include "berth/score.h"

namespace berth::testing {

// Each function is asked for one slot.
struct Behaviour {
  std::function<bool(Slot)> passes = [](Slot) { return true; };
  std::function<int32_t(Slot)> score = [](Slot) { return 0; };
  absl::Status filter_status;
  absl::Status score_status;
  absl::Status reserve_status;
  bool skips = false;
  std::string throws_in;           // name of a member function; empty: none
  bool is_scoped = false;          // a FakeScopedPlugin
  std::optional<Slot> names_slot;  // of scope kSparse
  Scope scope = Scope::kNode;
  Reads reads = kReadsStatic;
};

class FakePlugin : public FilterPlugin,
                   public ScorePlugin,
                   public ReservePlugin,
                   public QueueSortPlugin {
 public:
  FakePlugin(std::string name, const Behaviour& behaviour)
      : name_(std::move(name)), behaviour_(behaviour) {}

  std::string_view name() const override { return name_; }
  Scope scope() const override { return behaviour_.scope; }
  Reads reads() const override { return behaviour_.reads; }

  absl::Status Filter(const TaskView&, const NodeColumns&, SlotMask& feasible) const override {
    MayThrow("Filter");
    feasible.ForEach([&](size_t i, Slot slot) {
      if (!behaviour_.passes(slot)) feasible.Clear(i);
    });
    return behaviour_.filter_status;
  }
  bool PassesAll(const TaskRequirements&) const override {
    MayThrow("PassesAll");
    return false;
  }
  void Diagnose(const TaskView&, const NodeColumns&, const NodeMask& removed,
                RejectionSink& sink) const override {
    MayThrow("Diagnose");
    removed.ForEach([&](Slot slot) {
      if (!behaviour_.passes(slot)) sink.Reject(slot, Reason::kNone, 0, 0, 0, 0, false);
    });
  }
  bool Skips(const TaskRequirements&) const override {
    MayThrow("Skips");
    return behaviour_.skips;
  }
  absl::Status Score(const TaskView&, const NodeColumns&, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    slots.ForEach([&](size_t i, Slot slot) { scores[i] = behaviour_.score(slot); });
    return behaviour_.score_status;
  }
  absl::Status Reserve(const TaskView&, const NodeColumns&, Slot, Reservation&) const override {
    return behaviour_.reserve_status;
  }
  int64_t Key(const QueuedGroup&) const override {
    MayThrow("Key");
    return 0;
  }

 protected:
  const Behaviour& behaviour() const { return behaviour_; }
  void MayThrow(const char* function) const {
    if (behaviour_.throws_in == function) throw std::runtime_error("out of luck");
  }

 private:
  const std::string name_;
  const Behaviour& behaviour_;
};

// That says what the scopes kDomain and kSparse need, too.
class FakeScopedPlugin final : public FakePlugin, public DomainPlugin, public SparsePlugin {
 public:
  using FakePlugin::FakePlugin;

  void AppendKeys(const TaskRequirements&, std::vector<DomainKey>&) const override {
    MayThrow("AppendKeys");
  }
  bool IsLocal(const TaskRequirements&) const override {
    MayThrow("IsLocal");
    return true;
  }
  void AppendSlots(const TaskView&, const NodeColumns&, std::vector<Slot>& slots) const override {
    MayThrow("AppendSlots");
    if (behaviour().names_slot) slots.push_back(*behaviour().names_slot);
  }
};

// `behaviour` outlives what the factory makes.
inline PluginFactory FakeFactory(std::string name, const Behaviour& behaviour) {
  return [name = std::move(name), &behaviour](
             const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
    if (behaviour.is_scoped) return std::make_unique<FakeScopedPlugin>(name, behaviour);
    return std::make_unique<FakePlugin>(name, behaviour);
  };
}

}  // namespace berth::testing
