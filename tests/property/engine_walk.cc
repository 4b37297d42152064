#include "tests/property/engine_walk.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/trial.h"
#include "tests/support/full_scan.h"
#include "tests/support/naive_boxes.h"
#include "tests/support/pipeline_harness.h"
#include "tests/support/random_cluster.h"
#include "tests/support/scoped_plugins.h"

namespace berth::testing {
namespace {

// What the placement depends on beside the default profile.
pipeline::ProfileOptions RandomOptions(base::Rng& rng) {
  pipeline::ProfileOptions options;
  options.filters.enabled = {"TopologySpread", "TaskAffinity"};
  options.scores.enabled = {{"TopologySpread", Between(rng, 1, 5)}, {"TaskAffinity", 2}};
  if (Chance(rng, 30)) options.scores.enabled.push_back({std::string(FewNodes::kName), 3});
  if (Chance(rng, 15)) options.scores.enabled.push_back({std::string(RelativelyFree::kName), 2});
  if (Chance(rng, 35)) {
    options.scores.enabled.push_back({std::string(FavouredDevices::kName), Between(rng, 1, 4)});
  }
  if (Chance(rng, 25)) options.scores.enabled.push_back({"FragmentationGradient", 2});
  if (Chance(rng, 25)) options.scores.enabled.push_back({"GpuPacking", 3});
  if (Chance(rng, 15)) options.scores.enabled.push_back({"Random", 1});
  if (Chance(rng, 15)) options.scores.enabled.push_back({"GpuClustering", 2});
  if (Chance(rng, 25)) options.tie = "rotate";
  if (Chance(rng, 20)) options.scores.disabled = {"NodeResourcesFit"};  // more ties
  if (Chance(rng, 10)) {                                                // nothing but ties
    options.scores.enabled.clear();
    options.scores.disabled = {"*"};
  }
  return options;
}

// With a score from outside, or as they are. Drawn apart, so that walks are otherwise what they
// would be without.
pipeline::ProfileOptions MaybeScored(base::Rng& rng, pipeline::ProfileOptions options) {
  // With the defaults there may be no more than engine::kMaxScorePlugins.
  if (Chance(rng, 40) && options.scores.enabled.size() < 8) {
    options.scores.enabled.push_back({"RemoteScorer", Between(rng, 1, 4)});
  }
  return options;
}

engine::Engine::Options RandomEngineOptions(base::Rng& rng) {
  engine::Engine::Options options;
  options.list_ratio = static_cast<size_t>(Between(rng, 1, 4));
  if (Chance(rng, 20)) options.memory_bytes = 3000;
  return options;
}

class Walk {
 public:
  Walk(uint64_t seed, WalkCounts& counts)
      : rng_(seed),
        outside_(~seed),
        hints_(seed ^ 0x9e3779b97f4a7c15),
        counts_(counts),
        options_(MaybeScored(outside_, RandomOptions(rng_))),
        harness_(options_, /*seed=*/seed, RegisterScopedPlugins),
        engine_(std::make_unique<engine::Engine>(table(), RandomEngineOptions(rng_))) {}

  std::string Run() {
    int nodes = Between(rng_, 1, Chance(rng_, 20) ? 140 : 40);
    if (Chance(rng_, 10))
      nodes = Chance(rng_, 50) ? 64 : 128;  // with one more, ranks are drawn anew
    for (int i = 0; i < nodes; ++i) AddNode();
    shares_hosts_ = Chance(rng_, 50);
    // Rules are over four zones, two kinds of disks, or hosts.
    counters_ = AddCounters(table(), {"zone", "disk", "host"});
    for (const auto& [key, counter] : counters_) table().WatchNearness(key);
    SetSharedRandomly(rng_, table());
    for (int i = Between(rng_, 1, 6); i > 0; --i) AddShape();
    for (int step = Between(rng_, 10, 60); step > 0; --step) {
      if (Chance(outside_, 10)) ScoreFromOutside();
      if (Chance(outside_, 10)) MeasureRandomly(outside_, table());
      if (Chance(hints_, 10)) MeasureClass();
      const int32_t dice = Between(rng_, 0, 99);
      if (dice < 60) {
        Place();
      } else if (dice < 75) {
        Release();
      } else if (dice < 79) {
        TryOut();
      } else if (dice < 85) {
        TurnSwitch();
      } else if (dice < 90) {
        Describe();
      } else if (dice < 92) {
        Measure();
      } else if (dice < 94) {
        for (int i = Chance(rng_, 20) ? 30 : 1; i > 0; --i) AddNode();
      } else if (dice < 96) {
        RemoveIdleNode();
      } else if (dice < 98) {
        AddShape();
      } else if (dice < 99) {
        Reload();
        SetSharedRandomly(rng_, table());
      } else {
        Burst();
      }
      if (!difference_.empty()) return difference_;
    }
    CheckCounts();
    const engine::Engine::Counters& done = engine_->counters();
    counts_["replay"] += done.updates;
    counts_["rebuild"] += done.rebuilds;
    counts_["eviction"] += done.evictions;
    return difference_;
  }

 private:
  struct Shape {
    TaskRequirements needs;
    engine::ShapeKey key;
  };
  struct Bound {
    Slot slot = kNoSlot;
    const Shape* shape = nullptr;
    Reservation reservation;
  };

  state::NodeTable& table() { return harness_.cluster.table(); }

  state::NodeSpec NewSpec(std::string name) {
    state::NodeSpec spec = RandomNode(rng_, std::move(name));
    if (Chance(rng_, 50)) {  // few sizes, so that totals are equal
      spec.capacity.builtin[kCpu] = 8000 << rng_.Uniform(2);
      spec.capacity.builtin[kMemory] = 32 << 10;
    }
    // A name of its own for most, which is a domain with one node.
    if (Chance(rng_, 90)) spec.labels["host"] = spec.name;
    if (shares_hosts_ && Chance(rng_, 30)) spec.labels["host"] = "twin";
    for (const char* data : {"d0", "d1", "d2", "d3"}) {
      if (Chance(hints_, 15)) spec.data.emplace_back(data);
    }
    return spec;
  }

  void AddNode() {
    const uint32_t ranks = table().rank_capacity();
    harness_.cluster.Add(NewSpec("n" + std::to_string(next_node_++)));
    counts_["ranks drawn anew"] += table().rank_capacity() != ranks;
  }

  void AddShape() {
    Shape shape{harness_.cluster.Needs(RandomNeeds(rng_)), {}};
    TaskRequirements& needs = shape.needs;
    if (Chance(rng_, 40)) needs.devices.clear();
    if (Chance(rng_, 60)) {
      for (int i = Between(rng_, 1, 3); i > 0; --i) {
        needs.terms.push_back(RandomTerm(rng_, counters_));
      }
    }
    if (Chance(outside_, 20)) needs.terms.push_back(RandomNearTerm(outside_, counters_));
    if (Chance(rng_, 20)) {
      needs.others_terms.push_back(RandomTerm(rng_, counters_));
      needs.others_terms.back().kind = TermKind::kAntiAffinity;
    }
    if (Chance(rng_, 25)) needs.shared = RandomShared(rng_, table());
    for (const TermUse& term : needs.terms) {
      if (term.counts_itself) needs.counted_in.push_back(term.counter);
    }
    if (Chance(rng_, 50)) {
      needs.counted_in.push_back(counters_[rng_.Uniform(counters_.size())].second);
    }
    std::sort(needs.counted_in.begin(), needs.counted_in.end());
    needs.counted_in.erase(std::unique(needs.counted_in.begin(), needs.counted_in.end()),
                           needs.counted_in.end());
    if (Chance(hints_, 50)) {
      needs.bound_by = static_cast<ComputationClass>(hints_.Uniform(kComputationClasses));
    }
    needs.has_data = Chance(hints_, 30);
    // Numbers are used again, serials are not.
    const auto serial = static_cast<uint64_t>(shapes_.size()) + 1;
    shape.key = {static_cast<state::ShapeId>(serial % 7), serial};
    // What came from outside about the shape that had the number goes with it.
    table().outside_scores().Drop(shape.key.id);
    shapes_.push_back(std::move(shape));
    if (Chance(outside_, 50)) ScoreFromOutside();
  }

  void MeasureClass() {
    const auto bound_by = static_cast<ComputationClass>(hints_.Uniform(kComputationClasses));
    for (const auto& [name, slot] : table().by_name()) {
      if (!Chance(hints_, 30)) continue;
      const int32_t steps = Between(hints_, -1, kUsageSteps);
      counts_["measured use of what tasks are bound by"] +=
          steps != table().class_usage(bound_by)[slot];
      table().SetClassUsage(slot, bound_by, steps);
    }
  }

  // Of each task of a shape other data: it is not part of the shape.
  std::vector<DataHint> RandomData() {
    std::vector<DataHint> data(static_cast<size_t>(Between(hints_, 1, 3)));
    for (DataHint& hint : data) {
      for (int i = Between(hints_, 1, 2); i > 0; --i) {
        hint.names.push_back("d" + std::to_string(hints_.Uniform(6)));
      }
      hint.weight = Between(hints_, 1, 100);
    }
    return data;
  }

  // A column for a shape comes, changes or is stale.
  void ScoreFromOutside() {
    const size_t back = outside_.Uniform(std::min<size_t>(7, shapes_.size()));
    const state::ShapeId shape = shapes_[shapes_.size() - 1 - back].key.id;
    bool has_changed;
    if (Chance(outside_, 30)) {
      has_changed = table().outside_scores().Drop(shape);
      counts_["scores from outside gone"] += has_changed;
    } else {
      // Fewer scores than slots: what came since has none.
      std::vector<int32_t> scores(table().size() - outside_.Uniform(table().size() / 4 + 1));
      for (int32_t& score : scores) score = Between(outside_, 0, 4) * (kMaxScore / 4);
      has_changed = table().outside_scores().Put(shape, std::move(scores));
      ++counts_["scores from outside"];
    }
    if (has_changed) engine_->Forget(shape);
  }

  std::string NameOf(Slot slot) const { return harness_.cluster.NameOf(slot); }

  Slot AnyNode() {
    const auto& nodes = table().by_name();
    auto it = nodes.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(rng_.Uniform(nodes.size())));
    return it->second;
  }

  void TurnSwitch() {
    const Slot slot = AnyNode();
    if (Chance(rng_, 50)) {
      table().SetReady(slot, !table().ready().Test(slot));
    } else {
      table().SetCordoned(slot, !table().cordoned().Test(slot));
    }
  }

  // More changes than the log of a small table keeps, of which most are taken back.
  void Burst() {
    TurnSwitch();
    const Slot slot = AnyNode();
    for (int i = 0; i < 2500; ++i) {
      table().SetCordoned(slot, true);
      table().SetCordoned(slot, false);
    }
    ++counts_["log overrun"];
  }

  // Another size, other labels, taints and devices on a node that stays.
  void Describe() {
    const Slot slot = AnyNode();
    state::NodeSpec spec = NewSpec(table().name(slot));
    if (table().task_count(slot) > 0) spec.devices = table().spec(slot).devices;
    BERTH_CHECK(table().Put(spec).ok());
    ++counts_["relabelled node"];
  }

  // Plugins that are made anew, as they are when a day's mix of tasks differs from the one before.
  void Reload() {
    engine_->Reset();
    ++counts_["reload"];
    if (Chance(rng_, 50)) return;
    state::TaskMix mix;
    for (int i = Between(rng_, 1, 6); i > 0; --i) {
      state::TaskMix::Sort sort{.cpu_milli = 1000 * Between(rng_, 0, 32),
                                .devices = {},
                                .tasks = Between(rng_, 40, 2000)};
      const int32_t count = Between(rng_, 0, 4);
      if (count > 0) sort.devices.push_back({"gpu", count, 1000});
      if (count == 1 && Chance(rng_, 50)) sort.devices[0].share_milli = Between(rng_, 1, 999);
      mix.tasks += sort.tasks;
      mix.sorts.push_back(std::move(sort));
    }
    harness_.UseMix(mix);
    counts_["another mix of tasks"] += !mix.Of("gpu").empty();
  }

  // A step of decaying use: many nodes at once, or a few.
  void Measure() {
    for (int i = Chance(rng_, 30) ? 100 : Between(rng_, 1, 4); i > 0; --i) {
      const Slot slot = AnyNode();
      const int32_t steps = Chance(rng_, 15) ? -1 : Between(rng_, 0, kUsageSteps);
      counts_["measured use that changed"] += steps != table().usage()[slot];
      counts_["measured use that is not known any more"] += steps < 0 && table().usage()[slot] >= 0;
      table().SetUsage(slot, steps);
    }
  }

  void RemoveIdleNode() {
    const Slot slot = AnyNode();
    if (table().by_name().size() == 1 || table().task_count(slot) > 0) return;
    table().Remove(slot);
    ++counts_["removed node"];
  }

  void Release() {
    if (bound_.empty()) return;
    std::swap(bound_[rng_.Uniform(bound_.size())], bound_.back());
    const Bound& task = bound_.back();
    table().Release(task.slot, task.shape->needs, task.reservation);
    bound_.pop_back();
    ++counts_["release"];
  }

  void Place() {
    // The shapes that came last have the numbers.
    const size_t first = shapes_.size() > 7 ? shapes_.size() - 7 : 0;
    const Shape& shape = shapes_[first + rng_.Uniform(shapes_.size() - first)];
    TaskView task{shape.needs, {.job = {}, .group = 0, .position = next_task_++}};
    task.outside_scores = table().outside_scores().Of(shape.key.id);
    std::vector<DataHint> data;
    if (shape.needs.has_data) data = RandomData();
    task.data = data;
    const engine::PluginSet& plugins = harness_.profile().placing();
    const auto expected = PlaceByFullScan(plugins, task, table());
    const auto placed = engine_->Place(plugins, shape.key, task);
    BERTH_CHECK(expected.ok()) << base::S(expected.status().message());
    if (!placed.ok()) {
      difference_ = "the engine says " + base::S(placed.status().message());
      return;
    }
    Compare(*expected, *placed);
    Note(shape.needs, *expected);
    counts_["data that a task reads"] += !data.empty();
    counts_["data that the best node has"] += HasAny(expected->slot, data);
    NoteDevices(shape.needs, *expected);
    if (difference_.empty()) CheckBoxes(shape.needs, *placed);
    if (placed->slot == kNoSlot || Chance(rng_, 20)) return;
    table().Allocate(placed->slot, shape.needs, placed->reservation);
    bound_.push_back({placed->slot, &shape, placed->reservation});
  }

  bool HasAny(Slot slot, const std::vector<DataHint>& data) {
    if (slot == kNoSlot) return false;
    const std::vector<std::string>& there = table().spec(slot).data;
    return std::any_of(data.begin(), data.end(), [&](const DataHint& hint) {
      return std::any_of(hint.names.begin(), hint.names.end(), [&](const std::string& name) {
        return std::find(there.begin(), there.end(), name) != there.end();
      });
    });
  }

  // Placements and releases that may all be taken back.
  void TryOut() {
    const std::vector<Bound> bound_before = bound_;
    const bool keep = Chance(rng_, 30);
    engine::Trial trial(table(), *engine_);
    for (int i = Between(rng_, 1, 6); i > 0 && difference_.empty(); --i) {
      if (Chance(rng_, 70)) {
        Place();
      } else {
        Release();
      }
    }
    if (keep) {
      trial.Keep();
      ++counts_["trial kept"];
    } else {
      bound_ = bound_before;
      ++counts_["trial undone"];
    }
  }

  void Compare(const engine::Placement& expected, const engine::Placement& placed) {
    std::ostringstream out;
    const auto differ = [&](const char* what, const auto& a, const auto& b) {
      if (a != b) out << what << ": " << b << " in place of " << a << "; ";
    };
    differ("node", NameOf(expected.slot), NameOf(placed.slot));
    differ("total", expected.total, placed.total);
    differ("runner-up", NameOf(expected.runner_up), NameOf(placed.runner_up));
    differ("its total", expected.runner_up_total, placed.runner_up_total);
    differ("nodes that fit", expected.nodes_feasible, placed.nodes_feasible);
    for (size_t i = 0; i < placed.plugin_scores.size(); ++i) {
      differ("a plugin's score", expected.plugin_scores[i], placed.plugin_scores[i]);
    }
    if (expected.reservation != placed.reservation) out << "other devices";
    difference_ = out.str();
  }

  // What was reserved for a box is one, by what the node said of itself.
  void CheckBoxes(const TaskRequirements& needs, const engine::Placement& placement) {
    size_t next = 0;
    for (const DeviceNeed& need : needs.devices) {
      if (placement.slot == kNoSlot) {
        counts_["box that no node has free"] += need.has_box();
        continue;
      }
      const state::NodeSpec& node = table().spec(placement.slot);
      std::set<size_t> taken;
      for (int i = 0; i < need.count; ++i) {
        taken.insert(placement.reservation.devices[next++].device);
      }
      if (!need.has_box()) continue;
      const std::string& kind = table().names().kinds.Name(need.kind.value);
      const std::vector<int> box(need.box.begin(), need.box.end());
      if (!AllBoxes(node, kind, box).contains(taken)) difference_ = "what is reserved is no box";
      ++counts_["box of devices"];
      state::NodeSpec mesh = node;
      for (state::DeviceSpec& device : mesh.devices) device.torus.wraps = 0;
      counts_["box across the ends of an axis"] += !AllBoxes(mesh, kind, box).contains(taken);
    }
  }

  // The counters have what a count of the bound tasks gives.
  void CheckCounts() {
    for (const auto& [key, counter] : counters_) {
      std::map<std::string, int64_t> expected, seen;
      for (const Bound& task : bound_) {
        const auto& counted = task.shape->needs.counted_in;
        if (std::find(counted.begin(), counted.end(), counter) == counted.end()) continue;
        const auto& labels = table().spec(task.slot).labels;
        const auto label = labels.find(table().names().keys.Name(key.value));
        if (label != labels.end()) ++expected[label->second];
      }
      const std::span<const int32_t> counts = table().counts(counter);
      for (size_t domain = 0; domain < counts.size(); ++domain) {
        if (counts[domain] == 0) continue;
        const std::string pair = table().LabelText(table().labels_of_key(key)[domain]);
        seen[pair.substr(pair.find('=') + 1)] = counts[domain];
      }
      if (seen != expected) difference_ = "a counter is wrong";
    }
    for (size_t c = 0; c < kComputationClasses; ++c) {
      const auto bound_by = static_cast<ComputationClass>(c);
      for (const auto& [name, slot] : table().by_name()) {
        int32_t tasks = 0, cpu = 0;
        for (const Bound& task : bound_) {
          if (task.slot != slot || task.shape->needs.bound_by != bound_by) continue;
          ++tasks;
          cpu += task.shape->needs.requests[kCpu];
        }
        if (table().class_tasks(bound_by)[slot] != tasks ||
            table().class_cpu(bound_by)[slot] != cpu) {
          difference_ = "tasks are counted as bound by what they are not";
        }
      }
    }
    for (const state::SharedResource& shared : table().shared_resources()) {
      int64_t expected = 0;
      for (const Bound& task : bound_) {
        if (table().domains(shared.key)[task.slot] == kNoDomain) continue;
        for (const SharedUse& use : task.shape->needs.shared) {
          if (use.counter == shared.counter) expected += use.amount;
        }
      }
      if (table().count_in_all(shared.counter) != expected) {
        difference_ = "what is taken of the cluster's own " + shared.name + " is wrong";
      }
    }
  }

  void Note(const TaskRequirements& needs, const engine::Placement& placement) {
    const auto note = [&](const char* event, bool happened) { counts_[event] += happened; };
    note("node selector", !needs.node_selector.empty());
    note("required node affinity", !needs.required_nodes.empty());
    note("preferred node affinity", !needs.preferred_nodes.empty());
    note("toleration", !needs.tolerations.empty());
    note("what a task is bound by", needs.bound_by.has_value());
    for (const DeviceNeed& device : needs.devices) {
      note(device.share_milli == 1000 ? "whole devices" : "share of a device", true);
    }
    for (const TermUse& term : needs.terms) {
      static constexpr const char* kKinds[] = {"affinity", "anti-affinity", "spread",
                                               "nearness to tasks", "nearness to data"};
      const std::string kind = kKinds[static_cast<int>(term.kind)];
      ++counts_[(term.weight == 0 ? "required " : "preferred ") + kind];
      note("rule over one node each", table().topology().IsOneNodeEach(term.key));
      note("rule over many cells",
           term.key == table().InternKey("host") &&
               (term.kind == TermKind::kSpread || !table().topology().IsOneNodeEach(term.key)));
    }
    note("others' anti-affinity", !needs.others_terms.empty());
    for (const SharedUse& use : needs.shared) {
      const bool is_whole = table().shared_resources()[use.resource].topology_key.empty();
      note(is_whole ? "resource of the cluster" : "resource of a domain", true);
    }
    for (const auto& score : options_.scores.enabled) {
      note("opinion on few nodes", score.name == FewNodes::kName);
      note("score over all nodes", score.name == RelativelyFree::kName);
    }
    note("infeasible", placement.slot == kNoSlot);
    note("tie that is turned", options_.tie == "rotate" && placement.runner_up != kNoSlot &&
                                   placement.runner_up_total == placement.total);
    note("tie", placement.runner_up != kNoSlot && placement.runner_up_total == placement.total);
  }

  void NoteDevices(const TaskRequirements& needs, const engine::Placement& placement) {
    if (needs.devices.empty() || placement.slot == kNoSlot) return;
    int scorers = 0;
    for (const engine::WeightedScore& score : harness_.profile().scores()) {
      scorers += score.ScoresSets(needs);
    }
    counts_["devices by what plugins say"] += scorers > 0;
    counts_["devices by what several plugins say"] += scorers > 1;
    counts_["devices of several kinds by what plugins say"] +=
        scorers > 0 && needs.devices.size() > 1;
    size_t taken = 0;
    for (const DeviceNeed& need : needs.devices) {
      DeviceSets sets;
      sets.Find(need, table().devices(placement.slot));
      for (size_t i = 0; i < sets[0].size(); ++i, ++taken) {
        if (placement.reservation.devices[taken].device == sets[0][i]) continue;
        ++counts_["another set of devices than the first"];
        return;
      }
    }
  }

  base::Rng rng_;
  base::Rng outside_;  // what comes from outside of the engine
  base::Rng hints_;    // what is thought of tasks, and what nodes have for that
  WalkCounts& counts_;
  const pipeline::ProfileOptions options_;
  PipelineHarness harness_;
  std::unique_ptr<engine::Engine> engine_;
  bool shares_hosts_ = false;
  std::vector<KeyedCounter> counters_;
  std::deque<Shape> shapes_;
  std::vector<Bound> bound_;
  int next_node_ = 0;
  uint32_t next_task_ = 0;
  std::string difference_;
};

}  // namespace

std::string WalkEngine(uint64_t seed, WalkCounts& counts) { return Walk(seed, counts).Run(); }

}  // namespace berth::testing
