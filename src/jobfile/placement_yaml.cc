#include "jobfile/placement_yaml.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/quantities.h"
#include "berth/resources.h"
#include "jobfile/message_fields.h"
#include "yaml/parse.h"

namespace berth::jobfile {
namespace {

using yaml::MapReader;
using yaml::Node;
using yaml::Value;

constexpr int64_t kMostDevices = 1024;
constexpr int32_t kMostSkew = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostAmount = std::numeric_limits<int64_t>::max();

// Position = number on the wire; 0 is UNSPECIFIED, which has no name.
constexpr std::array<std::string_view, 3> kTaintEffects = {"NoSchedule", "PreferNoSchedule",
                                                           "NoExecute"};
constexpr std::array<std::string_view, 6> kOperators = {"In",           "NotIn", "Exists",
                                                        "DoesNotExist", "Gt",    "Lt"};
constexpr std::array<std::string_view, 4> kTermKinds = {"affinity", "antiAffinity", "spread",
                                                        "near"};

// ---- resources and devices ----

void ReadResources(const Node& node, v1::Resources& resources) {
  MapReader map(node);
  int64_t amount = 0;
  if (map.CpuMilli("cpu", &amount)) resources.set_cpu_milli(amount);
  if (map.Bytes("memory", &amount)) {
    if (amount == 0) map.Fail("memory", "0 is too little to run in");
    resources.set_memory_bytes(amount);
  }
  if (map.Bytes("storage", &amount)) resources.set_storage_bytes(amount);
  if (map.BitsPerSecond("bandwidth", &amount)) resources.set_bandwidth_bits_per_s(amount);
  if (const auto extended = map.Get("extended"); extended && !extended->value().is_null()) {
    if (!extended->value().is_map()) {
      extended->Fail("expected a map of whole numbers, found " + extended->value().Describe());
    } else {
      for (const Value::Entry& entry : extended->value().map()) {
        const Node item(entry.value, extended->path() + "." + entry.key, node.problems());
        if (const auto count = item.Int(0, kMostAmount)) {
          (*resources.mutable_extended())[entry.key] = *count;
        }
      }
    }
  }
  map.Finish();
}

Value WriteResources(const v1::Resources& resources) {
  Value map;
  if (resources.has_cpu_milli()) {
    map.Set("cpu", yaml::ResolvePlainScalar(base::FormatCpuMilli(resources.cpu_milli())));
  }
  if (resources.has_memory_bytes()) WriteBytes(map, "memory", resources.memory_bytes());
  if (resources.has_storage_bytes()) WriteBytes(map, "storage", resources.storage_bytes());
  if (resources.has_bandwidth_bits_per_s()) {
    map.Set("bandwidth",
            Value::String(base::FormatBitsPerSecond(resources.bandwidth_bits_per_s())));
  }
  const std::map<std::string, int64_t> ordered(resources.extended().begin(),
                                               resources.extended().end());
  Value extended;
  for (const auto& [name, count] : ordered) extended.Set(name, Value::Int(count));
  WriteMap(map, "extended", std::move(extended));
  return map;
}

// Extents of a box of a torus. Their product is the count, and need not be written twice.
void ReadBox(MapReader& map, v1::DeviceRequest& device) {
  const auto box = map.Get("box");
  if (!box) return;
  int64_t devices = 1;
  for (const Node& item : box->Items()) {
    const auto extent = item.Int(1, kMaxTorusExtent);
    if (!extent) return;
    device.add_box(static_cast<int32_t>(*extent));
    // Of more than a torus has the product does not matter.
    if (device.box_size() <= static_cast<int>(kTorusAxes)) devices *= *extent;
  }
  if (device.box().empty()) return;
  if (device.box_size() > static_cast<int>(kTorusAxes)) {
    map.Fail("box", "has " + std::to_string(device.box_size()) + " extents: a torus has at most " +
                        std::to_string(kTorusAxes) + " axes");
  } else if (device.has_share_milli()) {
    map.Fail("box", "goes with whole devices, not with `share`");
  } else if (map.Get("count") && device.count() != devices) {
    map.Fail("count", "is " + std::to_string(device.count()) + ", and the box is of " +
                          std::to_string(devices) + " devices: leave it out");
  } else if (devices > kMostDevices) {
    map.Fail("box", "is of " + std::to_string(devices) + " devices: at most " +
                        std::to_string(kMostDevices) + " are allowed");
  } else {
    device.set_count(static_cast<int32_t>(devices));
  }
}

void ReadDevice(const Node& node, v1::DeviceRequest& device) {
  MapReader map(node);
  if (const auto kind = map.Require("kind")) {
    if (auto text = kind->String()) device.set_kind(*std::move(text));
  }
  int64_t amount = 0;
  device.set_count(1);
  if (map.Int("count", 1, kMostDevices, &amount)) device.set_count(static_cast<int32_t>(amount));
  if (map.CpuMilli("share", &amount)) {
    if (amount < 1 || amount > 1000) {
      map.Fail("share", "is not a part of one device: write 0.001 to 1, or 1m to 1000m");
    } else if (device.count() != 1) {
      map.Fail("share", "goes with `count: 1` only");
    }
    device.set_share_milli(static_cast<int32_t>(std::clamp<int64_t>(amount, 1, 1000)));
  }
  if (map.Bytes("memory", &amount)) device.set_memory_bytes(amount);
  ReadStrings(map, "models", device.mutable_models());
  ReadBox(map, device);
  map.Finish();
}

Value WriteDevice(const v1::DeviceRequest& device) {
  Value map;
  WriteText(map, "kind", device.kind());
  WriteCount(map, "count", device.count());
  if (device.has_share_milli()) {
    map.Set("share", yaml::ResolvePlainScalar(base::FormatCpuMilli(device.share_milli())));
  }
  if (device.has_memory_bytes()) WriteBytes(map, "memory", device.memory_bytes());
  WriteStrings(map, "models", device.models());
  Value::List box;
  for (const int32_t extent : device.box()) box.push_back(Value::Int(extent));
  WriteList(map, "box", std::move(box));
  return map;
}

void ReadClusterResource(const Node& node, v1::ClusterResourceRequest& request) {
  MapReader map(node);
  if (const auto name = map.Require("name")) {
    if (auto text = name->String()) request.set_name(*std::move(text));
  }
  int64_t amount = 0;
  if (map.Require("amount") && map.Int("amount", 1, kMostAmount, &amount)) {
    request.set_amount(amount);
  }
  map.Finish();
}

// ---- where it may run ----

void ReadExpressions(MapReader& map, v1::LabelSelector& selector) {
  const auto node = map.Require("matchExpressions");
  if (!node) return;
  for (const Node& item : node->Items()) {
    v1::LabelRequirement& requirement = *selector.add_requirements();
    MapReader fields(item);
    if (const auto key = fields.Require("key")) {
      if (auto text = key->String()) requirement.set_key(*std::move(text));
    }
    ReadEnum<v1::SelectorOperator>(fields.Require("operator"), kOperators,
                                   [&](v1::SelectorOperator op) { requirement.set_op(op); });
    ReadStrings(fields, "values", requirement.mutable_values());
    const int count = requirement.values_size();
    switch (requirement.op()) {
      case v1::SELECTOR_OPERATOR_IN:
      case v1::SELECTOR_OPERATOR_NOT_IN:
        if (count == 0) fields.Fail("values", "needs at least one value for In and NotIn");
        break;
      case v1::SELECTOR_OPERATOR_EXISTS:
      case v1::SELECTOR_OPERATOR_DOES_NOT_EXIST:
        if (count != 0) fields.Fail("values", "takes none for Exists and DoesNotExist");
        break;
      case v1::SELECTOR_OPERATOR_GT:
      case v1::SELECTOR_OPERATOR_LT:
        if (count != 1) fields.Fail("values", "takes exactly one whole number for Gt and Lt");
        break;
      default:
        break;
    }
    fields.Finish();
  }
}

void WriteExpressions(Value& map, const v1::LabelSelector& selector) {
  Value::List items;
  for (const v1::LabelRequirement& requirement : selector.requirements()) {
    Value item;
    item.Set("key", Value::String(requirement.key()));
    WriteEnum(item, "operator", kOperators, requirement.op());
    WriteStrings(item, "values", requirement.values());
    items.push_back(std::move(item));
  }
  map.Set("matchExpressions", Value::Sequence(std::move(items)));
}

void ReadNodeAffinity(const Node& node, v1::NodeAffinity& affinity) {
  MapReader map(node);
  if (const auto required = map.Get("required")) {
    for (const Node& item : required->Items()) {
      MapReader fields(item);
      ReadExpressions(fields, *affinity.add_required());
      fields.Finish();
    }
  }
  if (const auto preferred = map.Get("preferred")) {
    for (const Node& item : preferred->Items()) {
      MapReader fields(item);
      v1::PreferredNodes& entry = *affinity.add_preferred();
      int64_t weight = 0;
      if (fields.Require("weight") && fields.Int("weight", 1, 100, &weight)) {
        entry.set_weight(static_cast<int32_t>(weight));
      }
      ReadExpressions(fields, *entry.mutable_selector());
      fields.Finish();
    }
  }
  map.Finish();
}

Value WriteNodeAffinity(const v1::NodeAffinity& affinity) {
  Value map;
  Value::List required;
  for (const v1::LabelSelector& selector : affinity.required()) {
    Value item;
    WriteExpressions(item, selector);
    required.push_back(std::move(item));
  }
  WriteList(map, "required", std::move(required));
  Value::List preferred;
  for (const v1::PreferredNodes& entry : affinity.preferred()) {
    Value item;
    item.Set("weight", Value::Int(entry.weight()));
    WriteExpressions(item, entry.selector());
    preferred.push_back(std::move(item));
  }
  WriteList(map, "preferred", std::move(preferred));
  return map;
}

void ReadToleration(const Node& node, v1::Toleration& toleration) {
  MapReader map(node);
  ReadText(map, "key", [&](std::string text) { toleration.set_key(std::move(text)); });
  ReadText(map, "value", [&](std::string text) { toleration.set_value(std::move(text)); });
  ReadEnum<v1::TaintEffect>(map.Get("effect"), kTaintEffects,
                            [&](v1::TaintEffect effect) { toleration.set_effect(effect); });
  map.Finish();
}

Value WriteToleration(const v1::Toleration& toleration) {
  Value map = Value::Mapping({});
  WriteText(map, "key", toleration.key());
  if (toleration.has_value()) map.Set("value", Value::String(toleration.value()));
  WriteEnum(map, "effect", kTaintEffects, toleration.effect());
  return map;
}

void ReadTerm(const Node& node, v1::Term& term) {
  MapReader map(node);
  ReadEnum<v1::TermKind>(map.Require("kind"), kTermKinds,
                         [&](v1::TermKind kind) { term.set_kind(kind); });
  ReadText(map, "topologyKey", [&](std::string text) { term.set_topology_key(std::move(text)); });
  if (const auto labels = map.Get("matchLabels")) {
    for (auto& [key, value] : labels->StringMap()) {
      v1::LabelRequirement& requirement = *term.mutable_selector()->add_requirements();
      requirement.set_key(key);
      requirement.set_op(v1::SELECTOR_OPERATOR_IN);
      requirement.add_values(std::move(value));
    }
  }
  if (map.Get("matchExpressions")) ReadExpressions(map, *term.mutable_selector());
  ReadStrings(map, "namespaces", term.mutable_namespaces());
  ReadText(map, "data", [&](std::string text) { term.set_data(std::move(text)); });
  int64_t number = 0;
  if (map.Int("maxSkew", 1, kMostSkew, &number)) term.set_max_skew(static_cast<int32_t>(number));
  bool preferred = false;
  if (map.Bool("preferred", &preferred)) term.set_preferred(preferred);
  if (map.Int("weight", 1, 100, &number)) term.set_weight(static_cast<int32_t>(number));
  map.Finish();
}

Value WriteTerm(const v1::Term& term) {
  Value map;
  WriteEnum(map, "kind", kTermKinds, term.kind());
  WriteText(map, "topologyKey", term.topology_key());
  if (term.has_selector()) WriteExpressions(map, term.selector());
  WriteStrings(map, "namespaces", term.namespaces());
  WriteText(map, "data", term.data());
  WriteCount(map, "maxSkew", term.max_skew());
  if (term.preferred()) map.Set("preferred", Value::Bool(true));
  WriteCount(map, "weight", term.weight());
  return map;
}

}  // namespace

void ReadPlacement(yaml::MapReader& map, v1::TaskTemplate& task) {
  if (const auto node = map.Get("resources")) ReadResources(*node, *task.mutable_resources());
  if (const auto node = map.Get("devices")) {
    for (const Node& item : node->Items()) ReadDevice(item, *task.add_devices());
  }
  if (const auto node = map.Get("clusterResources")) {
    for (const Node& item : node->Items()) ReadClusterResource(item, *task.add_cluster_resources());
  }
  ReadStringMap(map, "nodeSelector", task.mutable_node_selector());
  if (const auto node = map.Get("nodeAffinity")) {
    ReadNodeAffinity(*node, *task.mutable_node_affinity());
  }
  if (const auto node = map.Get("tolerations")) {
    for (const Node& item : node->Items()) ReadToleration(item, *task.add_tolerations());
  }
  if (const auto node = map.Get("terms")) {
    for (const Node& item : node->Items()) ReadTerm(item, *task.add_terms());
  }
}

void WritePlacement(yaml::Value& map, const v1::TaskTemplate& task) {
  WriteMap(map, "resources", WriteResources(task.resources()));
  Value::List items;
  for (const v1::DeviceRequest& device : task.devices()) items.push_back(WriteDevice(device));
  WriteList(map, "devices", std::exchange(items, {}));
  for (const v1::ClusterResourceRequest& request : task.cluster_resources()) {
    Value item;
    item.Set("name", Value::String(request.name()));
    item.Set("amount", Value::Int(request.amount()));
    items.push_back(std::move(item));
  }
  WriteList(map, "clusterResources", std::exchange(items, {}));
  WriteStringMap(map, "nodeSelector", task.node_selector());
  WriteMap(map, "nodeAffinity", WriteNodeAffinity(task.node_affinity()));
  for (const v1::Toleration& toleration : task.tolerations()) {
    items.push_back(WriteToleration(toleration));
  }
  WriteList(map, "tolerations", std::exchange(items, {}));
  for (const v1::Term& term : task.terms()) items.push_back(WriteTerm(term));
  WriteList(map, "terms", std::exchange(items, {}));
}

}  // namespace berth::jobfile
