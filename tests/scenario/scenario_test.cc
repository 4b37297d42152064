// Runs the scenarios of tests/scenario/*.yaml: a cluster, steps, and what must come of them.
//
// tests/scenario/README.md describes the format. A key that it does not describe fails the
// scenario.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/quantities.h"
#include "base/strings.h"
#include "tests/support/pipeline_harness.h"
#include "wire/amounts.h"

namespace berth {
namespace {

using testing::NodeBuilder;
using testing::PipelineHarness;

// A scenario that cannot be read. Thrown within this file, reported as a failure of its test.
[[noreturn]] void Bad(const YAML::Node& at, const std::string& what) {
  throw std::runtime_error("line " + std::to_string(at.Mark().line + 1) + ": " + what);
}

void OnlyKeys(const YAML::Node& map, std::initializer_list<const char*> allowed) {
  const std::set<std::string> names(allowed.begin(), allowed.end());
  for (const auto& entry : map) {
    const auto key = entry.first.as<std::string>();
    if (!names.contains(key)) Bad(entry.first, "unknown key \"" + key + "\"");
  }
}

template <typename T>
T Checked(const YAML::Node& at, absl::StatusOr<T> value) {
  if (!value.ok()) Bad(at, base::S(value.status().message()));
  return *std::move(value);
}

int32_t CpuMilli(const YAML::Node& node) {
  return static_cast<int32_t>(Checked(node, base::ParseCpuMilli(node.as<std::string>())));
}
// As the wire rounds: what is asked for up, what there is down.
int32_t Quanta(const YAML::Node& at, int64_t amount, int64_t quantum, wire::Rounding rounding) {
  wire::Violations violations;
  const auto quanta =
      wire::ToQuanta(amount, quantum, rounding, wire::FieldPath("amount"), violations);
  if (!quanta) Bad(at, violations.Summary());
  return *quanta;
}
int32_t Mebibytes(const YAML::Node& node, wire::Rounding rounding = wire::Rounding::kUp) {
  return Quanta(node, Checked(node, base::ParseBytes(node.as<std::string>())), kMemoryQuantumBytes,
                rounding);
}
int32_t Megabits(const YAML::Node& node, wire::Rounding rounding) {
  return Quanta(node, Checked(node, base::ParseBitsPerSecond(node.as<std::string>())),
                kBandwidthQuantumBitsPerSecond, rounding);
}

std::vector<std::string> Strings(const YAML::Node& list) {
  std::vector<std::string> strings;
  for (const auto& item : list) strings.push_back(item.as<std::string>());
  return strings;
}

TaintEffect Effect(const YAML::Node& at, const std::string& text) {
  if (text == "NoSchedule") return TaintEffect::kNoSchedule;
  if (text == "PreferNoSchedule") return TaintEffect::kPreferNoSchedule;
  if (text == "NoExecute") return TaintEffect::kNoExecute;
  Bad(at, "unknown effect \"" + text + "\"");
}

// "gpu=true:NoSchedule" or "gpu:NoSchedule".
state::TaintSpec Taint(const YAML::Node& node) {
  const auto text = node.as<std::string>();
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) Bad(node, "a taint is key=value:Effect");
  const std::string pair = text.substr(0, colon);
  const size_t equals = pair.find('=');
  return {pair.substr(0, equals), equals == std::string::npos ? "" : pair.substr(equals + 1),
          Effect(node, text.substr(colon + 1))};
}

// "gpu", "gpu=true", "gpu=true:NoSchedule"; "*" for every key.
state::TolerationSpec Toleration(const YAML::Node& node) {
  auto text = node.as<std::string>();
  state::TolerationSpec toleration;
  if (const size_t colon = text.rfind(':'); colon != std::string::npos) {
    toleration.effect = Effect(node, text.substr(colon + 1));
    text.resize(colon);
  }
  if (const size_t equals = text.find('='); equals != std::string::npos) {
    toleration.value = text.substr(equals + 1);
    text.resize(equals);
  }
  toleration.key = text == "*" ? "" : text;
  return toleration;
}

void AddAmounts(const YAML::Node& from, wire::Rounding rounding, state::Amounts& amounts) {
  if (from["cpu"]) amounts.builtin[kCpu] = CpuMilli(from["cpu"]);
  if (from["memory"]) amounts.builtin[kMemory] = Mebibytes(from["memory"], rounding);
  if (from["storage"]) amounts.builtin[kStorage] = Mebibytes(from["storage"], rounding);
  if (from["bandwidth"]) amounts.builtin[kBandwidth] = Megabits(from["bandwidth"], rounding);
  for (const auto& entry : from["extended"]) {
    amounts.extended.emplace_back(entry.first.as<std::string>(), entry.second.as<int32_t>());
  }
}

void AddDevices(const YAML::Node& from, NodeBuilder& builder) {
  OnlyKeys(from, {"kind", "count", "model", "memory", "linked", "numa", "sick", "torus", "wraps"});
  builder.Devices(from["kind"].as<std::string>("gpu"), from["count"].as<int>(),
                  from["model"].as<std::string>("A100"), from["memory"].as<std::string>("40Gi"));
  for (const auto& island : from["linked"]) builder.Linked(island.as<std::vector<size_t>>());
  int16_t numa = 0;
  for (const auto& group : from["numa"]) builder.Numa(group.as<std::vector<size_t>>(), numa++);
  if (from["torus"]) {
    std::array<uint8_t, kTorusAxes> extents = {1, 1, 1};
    for (size_t axis = 0; axis < from["torus"].size(); ++axis) {
      extents.at(axis) = static_cast<uint8_t>(from["torus"][axis].as<int>());
    }
    uint8_t wraps = 0;
    for (const auto& axis : from["wraps"]) {
      wraps = static_cast<uint8_t>(wraps | 1U << axis.as<unsigned>());
    }
    builder.Torus(extents, wraps);
  }
  for (const auto& position : from["sick"]) builder.Sick(position.as<size_t>());
}

void AddNodes(const YAML::Node& from, PipelineHarness& harness) {
  OnlyKeys(from, {"name", "count", "cpu", "memory", "storage", "bandwidth", "extended", "labels",
                  "taints", "devices", "cordoned", "ready", "usage"});
  const auto name = from["name"].as<std::string>();
  NodeBuilder builder(name);
  if (from["devices"]) AddDevices(from["devices"], builder);
  state::NodeSpec spec = builder.Build();
  AddAmounts(from, wire::Rounding::kDown, spec.capacity);
  for (const auto& label : from["labels"]) {
    spec.labels[label.first.as<std::string>()] = label.second.as<std::string>();
  }
  for (const auto& taint : from["taints"]) spec.taints.push_back(Taint(taint));
  const int count = from["count"].as<int>(1);
  for (int i = 0; i < count; ++i) {
    spec.name = from["count"] ? name + std::to_string(i) : name;
    const Slot slot = harness.cluster.Add(spec);
    harness.cluster.table().SetCordoned(slot, from["cordoned"].as<bool>(false));
    harness.cluster.table().SetReady(slot, from["ready"].as<bool>(true));
    harness.cluster.table().SetUsage(slot, from["usage"].as<int32_t>(-1));
  }
}

state::LabelRequirementSpec Requirement(const YAML::Node& from) {
  OnlyKeys(from, {"key", "operator", "values", "bound"});
  static const std::map<std::string, SelectorOp> kOperators = {
      {"In", SelectorOp::kIn},         {"NotIn", SelectorOp::kNotIn},
      {"Exists", SelectorOp::kExists}, {"DoesNotExist", SelectorOp::kDoesNotExist},
      {"Gt", SelectorOp::kGreater},    {"Lt", SelectorOp::kLess}};
  const auto op = kOperators.find(from["operator"].as<std::string>());
  if (op == kOperators.end()) Bad(from["operator"], "unknown operator");
  return {op->second, from["key"].as<std::string>(), Strings(from["values"]),
          from["bound"].as<int64_t>(0)};
}

state::LabelSelectorSpec Selector(const YAML::Node& from) {
  state::LabelSelectorSpec selector;
  for (const auto& requirement : from) selector.push_back(Requirement(requirement));
  return selector;
}

state::TermSpec Term(const YAML::Node& from, const std::string& own_namespace) {
  OnlyKeys(from, {"spread", "away", "with", "skew", "weight", "selector", "namespaces"});
  state::TermSpec term;
  static constexpr std::pair<const char*, TermKind> kKinds[] = {{"with", TermKind::kAffinity},
                                                                {"away", TermKind::kAntiAffinity},
                                                                {"spread", TermKind::kSpread}};
  for (const auto& [name, kind] : kKinds) {
    if (!from[name]) continue;
    term.kind = kind;
    term.topology_key = from[name].as<std::string>();
  }
  if (term.topology_key.empty()) Bad(from, "a term is spread, away or with a topology key");
  term.max_skew = from["skew"].as<int32_t>(1);
  term.weight = from["weight"].as<int32_t>(0);
  term.selector = Selector(from["selector"]);
  term.namespaces = Strings(from["namespaces"]);
  if (!term.selector.empty() && term.namespaces.empty()) term.namespaces = {own_namespace};
  return term;
}

state::NeedsSpec Needs(const YAML::Node& from) {
  OnlyKeys(from, {"cpu", "memory", "storage", "bandwidth", "extended", "devices", "nodeSelector",
                  "required", "preferred", "tolerations", "namespace", "labels", "terms"});
  state::NeedsSpec needs;
  AddAmounts(from, wire::Rounding::kUp, needs.requests);
  for (const auto& device : from["devices"]) {
    OnlyKeys(device, {"kind", "count", "share", "memory", "models", "box"});
    const auto box = device["box"].as<std::vector<int32_t>>(std::vector<int32_t>());
    int32_t count = device["count"].as<int>(1);
    for (const int32_t extent : box) count *= extent;
    needs.devices.push_back(
        {device["kind"].as<std::string>("gpu"), count, device["share"].as<int>(1000),
         device["memory"] ? Mebibytes(device["memory"]) : 0, Strings(device["models"]), box});
  }
  for (const auto& label : from["nodeSelector"]) {
    needs.node_selector[label.first.as<std::string>()] = label.second.as<std::string>();
  }
  for (const auto& selector : from["required"]) needs.required_nodes.push_back(Selector(selector));
  for (const auto& preferred : from["preferred"]) {
    OnlyKeys(preferred, {"weight", "selector"});
    needs.preferred_nodes.push_back(
        {preferred["weight"].as<int32_t>(), Selector(preferred["selector"])});
  }
  for (const auto& toleration : from["tolerations"]) {
    needs.tolerations.push_back(Toleration(toleration));
  }
  for (const auto& term : from["terms"]) {
    needs.terms.push_back(Term(term, from["namespace"].as<std::string>("default")));
  }
  return needs;
}

PluginArgs Args(const YAML::Node& from) {
  if (from.IsMap()) {
    PluginArgs::Map map;
    for (const auto& entry : from) map[entry.first.as<std::string>()] = Args(entry.second);
    return PluginArgs{std::move(map)};
  }
  if (from.IsSequence()) {
    PluginArgs::List list;
    for (const auto& item : from) list.push_back(Args(item));
    return PluginArgs{std::move(list)};
  }
  int64_t number = 0;
  if (YAML::convert<int64_t>::decode(from, number)) return PluginArgs{number};
  return PluginArgs{from.as<std::string>()};
}

pipeline::ProfileOptions Profile(const YAML::Node& from) {
  pipeline::ProfileOptions options;
  if (!from) return options;
  OnlyKeys(from, {"filter", "score", "pluginConfig"});
  if (const YAML::Node filter = from["filter"]) {
    OnlyKeys(filter, {"enabled", "disabled"});
    options.filters.disabled = Strings(filter["disabled"]);
    options.filters.enabled = Strings(filter["enabled"]);
  }
  if (const YAML::Node score = from["score"]) {
    OnlyKeys(score, {"enabled", "disabled"});
    options.scores.disabled = Strings(score["disabled"]);
    for (const auto& entry : score["enabled"]) {
      OnlyKeys(entry, {"name", "weight"});
      options.scores.enabled.push_back(
          {entry["name"].as<std::string>(), entry["weight"].as<int64_t>(1)});
    }
  }
  for (const auto& config : from["pluginConfig"]) {
    OnlyKeys(config, {"name", "args"});
    options.plugin_config.emplace_back(config["name"].as<std::string>(), Args(config["args"]));
  }
  return options;
}

class Scenario {
 public:
  explicit Scenario(const YAML::Node& file) : harness_(Profile(file["profile"])) {
    OnlyKeys(file, {"about", "profile", "nodes", "steps"});
    for (const auto& node : file["nodes"]) AddNodes(node, harness_);
    for (const auto& step : file["steps"]) {
      SCOPED_TRACE("step at line " + std::to_string(step.Mark().line + 1));
      Run(step);
    }
  }

 private:
  void Run(const YAML::Node& step) {
    if (step["place"]) return Place(step);
    if (step["explain"]) return Explain(step);
    state::NodeTable& table = harness_.cluster.table();
    OnlyKeys(step, {"nodes", "release", "cordon", "uncordon", "lose", "regain"});
    if (step["nodes"]) {
      for (const auto& node : step["nodes"]) AddNodes(node, harness_);
    }
    if (step["release"]) Release(step["release"].as<std::string>());
    if (step["cordon"]) table.SetCordoned(At(step["cordon"]), true);
    if (step["uncordon"]) table.SetCordoned(At(step["uncordon"]), false);
    if (step["lose"]) table.SetReady(At(step["lose"]), false);
    if (step["regain"]) table.SetReady(At(step["regain"]), true);
  }

  void Place(const YAML::Node& step) {
    OnlyKeys(step, {"place", "name", "times", "node", "oneOf", "devices", "feasible"});
    for (int i = step["times"].as<int>(1); i > 0; --i) PlaceOnce(step);
  }

  state::JobRow& AddJob(const YAML::Node& from) {
    std::map<std::string, std::string> labels;
    for (const auto& label : from["labels"]) {
      labels[label.first.as<std::string>()] = label.second.as<std::string>();
    }
    return harness_.cluster.AddJob(from["namespace"].as<std::string>("default"), std::move(labels),
                                   Needs(from));
  }

  void PlaceOnce(const YAML::Node& step) {
    state::JobRow& job = AddJob(step["place"]);
    const engine::Placement placement = harness_.Place(harness_.cluster.NeedsOf(job));
    const std::string chosen =
        placement.slot == kNoSlot ? "none" : harness_.cluster.NameOf(placement.slot);
    if (step["node"]) {
      EXPECT_EQ(chosen, step["node"].as<std::string>());
    }
    if (step["oneOf"]) {
      EXPECT_THAT(Strings(step["oneOf"]), ::testing::Contains(chosen));
    }
    if (step["feasible"]) {
      EXPECT_EQ(placement.nodes_feasible, step["feasible"].as<int64_t>());
    }
    if (step["devices"]) {
      std::vector<int> granted;
      for (const DeviceGrant& grant : placement.reservation.devices) {
        granted.push_back(grant.device);
      }
      EXPECT_EQ(granted, step["devices"].as<std::vector<int>>());
    }
    if (placement.slot == kNoSlot) return harness_.cluster.End(job);
    harness_.cluster.Bind(job, placement.slot, placement.reservation);
    if (step["name"]) bound_[step["name"].as<std::string>()] = &job;
  }

  void Explain(const YAML::Node& step) {
    OnlyKeys(step, {"explain", "text", "fits", "suggest", "best", "examples"});
    state::JobRow& job = AddJob(step["explain"]);
    const pipeline::Explanation explanation = harness_.Explain(harness_.cluster.NeedsOf(job));
    harness_.cluster.End(job);
    if (step["text"]) {
      EXPECT_EQ(explanation.text, step["text"].as<std::string>());
    }
    if (step["fits"]) {
      static const std::map<std::string, pipeline::Placeability> kFits = {
          {"now", pipeline::Placeability::kFitsNow},
          {"later", pipeline::Placeability::kFitsLater},
          {"never", pipeline::Placeability::kNeverFits}};
      const auto expected = kFits.find(step["fits"].as<std::string>());
      if (expected == kFits.end()) Bad(step["fits"], "fits is now, later or never");
      EXPECT_EQ(explanation.placeability, expected->second);
    }
    if (step["suggest"]) {
      std::vector<std::string> texts;
      for (const auto& suggestion : explanation.suggestions) texts.push_back(suggestion.text);
      EXPECT_EQ(texts, Strings(step["suggest"]));
    }
    if (step["best"]) {
      std::vector<std::string> names;
      for (const auto& score : explanation.scores) names.push_back(score.node);
      EXPECT_EQ(names, Strings(step["best"]));
    }
    if (step["examples"]) {
      std::vector<std::string> names;
      for (const auto& outcome : explanation.filters) {
        names.insert(names.end(), outcome.examples.begin(), outcome.examples.end());
      }
      EXPECT_EQ(names, Strings(step["examples"]));
    }
  }

  void Release(const std::string& name) {
    const auto it = bound_.find(name);
    if (it == bound_.end()) throw std::runtime_error("no task is named " + name);
    harness_.cluster.End(*it->second);
    bound_.erase(it);
  }

  Slot At(const YAML::Node& name) const { return harness_.cluster.At(name.as<std::string>()); }

  PipelineHarness harness_;
  std::map<std::string, state::JobRow*> bound_;  // tasks that were placed, by their steps' names
};

std::vector<std::string> Files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator("tests/scenario")) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().stem().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class ScenarioTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, ComesOutAsWritten) {
  try {
    Scenario(YAML::LoadFile("tests/scenario/" + GetParam() + ".yaml"));
  } catch (const std::exception& error) {
    FAIL() << GetParam() << ".yaml: " << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ScenarioTest, ::testing::ValuesIn(Files()),
                         [](const auto& file) { return file.param; });

}  // namespace
}  // namespace berth
