// Plugins that do what a test tells them.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

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
  bool throws = false;  // from Filter
  Scope scope = Scope::kNode;
  Reads reads = kReadsStatic;
};

class FakePlugin final : public FilterPlugin,
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
    if (behaviour_.throws) throw std::runtime_error("out of luck");
    feasible.ForEach([&](size_t i, Slot slot) {
      if (!behaviour_.passes(slot)) feasible.Clear(i);
    });
    return behaviour_.filter_status;
  }
  void Diagnose(const TaskView&, const NodeColumns&, const NodeMask& removed,
                RejectionSink& sink) const override {
    removed.ForEach([&](Slot slot) {
      if (!behaviour_.passes(slot)) sink.Reject(slot, Reason::kNone, 0, 0, 0, 0, false);
    });
  }
  bool Skips(const TaskRequirements&) const override { return behaviour_.skips; }
  absl::Status Score(const TaskView&, const NodeColumns&, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    slots.ForEach([&](size_t i, Slot slot) { scores[i] = behaviour_.score(slot); });
    return behaviour_.score_status;
  }
  absl::Status Reserve(const TaskView&, const NodeColumns&, Slot, Reservation&) const override {
    return behaviour_.reserve_status;
  }
  int64_t Key(const QueuedGroup&) const override { return 0; }

 private:
  const std::string name_;
  const Behaviour& behaviour_;
};

// `behaviour` outlives what the factory makes.
inline PluginFactory FakeFactory(std::string name, const Behaviour& behaviour) {
  return [name = std::move(name), &behaviour](
             const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
    return std::make_unique<FakePlugin>(name, behaviour);
  };
}

}  // namespace berth::testing
