#include "config/inventory_yaml.h"

#include <array>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/quantities.h"

namespace berth::config {
namespace {

using yaml::MapReader;
using yaml::Node;
using yaml::Value;

constexpr int64_t kMostAmount = std::numeric_limits<int32_t>::max() / 2;
constexpr std::array<std::string_view, 3> kEffects = {"NoSchedule", "PreferNoSchedule",
                                                      "NoExecute"};
constexpr std::array<std::string_view, 5> kLinks = {"pcie", "nvlink", "nvswitch", "ici", "xgmi"};

void ReadAmount(MapReader& map, bool (MapReader::*read)(std::string_view, int64_t*),
                const char* key, std::optional<int64_t>* target) {
  int64_t amount = 0;
  if ((map.*read)(key, &amount)) *target = amount;
}

TaintConfig ReadTaint(const Node& node) {
  TaintConfig taint;
  MapReader map(node);
  if (const auto key = map.Require("key")) {
    if (const auto text = key->String()) taint.key = *text;
  }
  map.String("value", &taint.value);
  if (const auto effect = map.Get("effect")) {
    if (const auto i = effect->OneOf(kEffects)) taint.effect = static_cast<TaintEffect>(*i);
  }
  map.Finish();
  return taint;
}

DeviceLinkConfig ReadLink(const Node& node) {
  DeviceLinkConfig link;
  MapReader map(node);
  if (const auto peer = map.Require("peer")) {
    if (const auto text = peer->String()) link.peer = *text;
  }
  if (const auto kind = map.Get("kind")) {
    if (const auto i = kind->OneOf(kLinks)) link.kind = static_cast<LinkKind>(*i);
  }
  map.Bytes("bandwidthPerSecond", &link.bandwidth_bytes_per_s);
  map.Finish();
  return link;
}

DeviceConfig ReadDevice(const Node& node) {
  DeviceConfig device;
  MapReader map(node);
  if (const auto id = map.Require("id")) {
    if (const auto text = id->String()) device.id = *text;
  }
  if (const auto kind = map.Require("kind")) {
    if (const auto text = kind->String()) device.kind = *text;
  }
  map.String("model", &device.model);
  map.Bytes("memory", &device.memory_bytes);
  if (int32_t numa = 0; map.Int32("numaNode", 0, 32767, &numa)) device.numa_node = numa;
  if (const auto links = map.Get("links")) {
    for (const Node& item : links->Items()) device.links.push_back(ReadLink(item));
  }
  if (const auto torus = map.Get("torusCoordinates")) {
    for (const Node& item : torus->Items()) {
      if (const auto at = item.Int(0, 1 << 20)) {
        device.torus_coordinates.push_back(static_cast<int32_t>(*at));
      }
    }
  }
  map.String("unhealthyReason", &device.unhealthy_reason);
  map.Finish();
  return device;
}

std::vector<LocalDataConfig> ReadData(MapReader& parent, const char* key) {
  std::vector<LocalDataConfig> data;
  const auto node = parent.Get(key);
  if (!node) return data;
  for (const Node& item : node->Items()) {
    LocalDataConfig entry;
    MapReader map(item);
    if (const auto name = map.Require("name")) {
      if (const auto text = name->String()) entry.name = *text;
    }
    map.Bytes("size", &entry.size_bytes);
    map.Finish();
    data.push_back(std::move(entry));
  }
  return data;
}

Value WriteData(const std::vector<LocalDataConfig>& data) {
  Value::List list;
  for (const LocalDataConfig& entry : data) {
    Value map;
    map.Set("name", Value::String(entry.name));
    map.Set("size", Value::String(base::FormatBytesExact(entry.size_bytes)));
    list.push_back(std::move(map));
  }
  return Value::Sequence(std::move(list));
}

Value WriteDevice(const DeviceConfig& device) {
  Value map;
  map.Set("id", Value::String(device.id));
  map.Set("kind", Value::String(device.kind));
  map.Set("model", Value::String(device.model));
  map.Set("memory", Value::String(base::FormatBytesExact(device.memory_bytes)));
  if (device.numa_node) map.Set("numaNode", Value::Int(*device.numa_node));
  Value::List links;
  for (const DeviceLinkConfig& link : device.links) {
    Value entry;
    entry.Set("peer", Value::String(link.peer));
    entry.Set("kind", Value::String(std::string(kLinks[static_cast<size_t>(link.kind)])));
    entry.Set("bandwidthPerSecond",
              Value::String(base::FormatBytesExact(link.bandwidth_bytes_per_s)));
    links.push_back(std::move(entry));
  }
  map.Set("links", Value::Sequence(std::move(links)));
  Value::List torus;
  for (const int32_t at : device.torus_coordinates) torus.push_back(Value::Int(at));
  map.Set("torusCoordinates", Value::Sequence(std::move(torus)));
  map.Set("unhealthyReason", Value::String(device.unhealthy_reason));
  return map;
}

}  // namespace

void ReadInventory(const Node& node, InventoryConfig& inventory) {
  MapReader map(node);
  ReadAmount(map, &MapReader::CpuMilli, "cpu", &inventory.cpu_milli);
  ReadAmount(map, &MapReader::Bytes, "memory", &inventory.memory_bytes);
  ReadAmount(map, &MapReader::Bytes, "storage", &inventory.storage_bytes);
  ReadAmount(map, &MapReader::BitsPerSecond, "bandwidth", &inventory.bandwidth_bits_per_s);
  if (inventory.cpu_milli && *inventory.cpu_milli <= 0) map.Fail("cpu", "must be more than 0");
  if (inventory.memory_bytes && *inventory.memory_bytes < (int64_t{1} << 20)) {
    map.Fail("memory", "must be at least 1Mi");
  }
  if (const auto extended = map.Get("extended")) {
    if (extended->value().is_map()) {
      for (const auto& entry : extended->value().map()) {
        const Node amount(entry.value, extended->path() + "." + entry.key, extended->problems());
        if (const auto count = amount.Int(0, kMostAmount)) inventory.extended[entry.key] = *count;
      }
    } else if (!extended->value().is_null()) {
      extended->Fail("must be a map of names and whole numbers, not " +
                     extended->value().Describe());
    }
  }
  map.StringMap("labels", &inventory.labels);
  if (const auto taints = map.Get("taints")) {
    for (const Node& item : taints->Items()) inventory.taints.push_back(ReadTaint(item));
  }
  if (const auto devices = map.Get("devices")) {
    std::set<std::string> ids;
    for (const Node& item : devices->Items()) {
      inventory.devices.push_back(ReadDevice(item));
      const std::string& id = inventory.devices.back().id;
      if (!id.empty() && !ids.insert(id).second) item.Fail("id \"" + id + "\" is there twice");
    }
  }
  inventory.data_sets = ReadData(map, "dataSets");
  inventory.models = ReadData(map, "models");
  map.Finish();
}

Value WriteInventory(const InventoryConfig& inventory) {
  Value map;
  if (inventory.cpu_milli) {
    map.Set("cpu", Value::String(base::FormatCpuMilli(*inventory.cpu_milli)));
  }
  if (inventory.memory_bytes) {
    map.Set("memory", Value::String(base::FormatBytesExact(*inventory.memory_bytes)));
  }
  if (inventory.storage_bytes) {
    map.Set("storage", Value::String(base::FormatBytesExact(*inventory.storage_bytes)));
  }
  if (inventory.bandwidth_bits_per_s) {
    map.Set("bandwidth", Value::String(base::FormatBitsPerSecond(*inventory.bandwidth_bits_per_s)));
  }
  Value extended = Value::Mapping({});
  for (const auto& [name, amount] : inventory.extended) extended.Set(name, Value::Int(amount));
  map.Set("extended", std::move(extended));
  Value labels = Value::Mapping({});
  for (const auto& [key, value] : inventory.labels) labels.Set(key, Value::String(value));
  map.Set("labels", std::move(labels));
  Value::List taints;
  for (const TaintConfig& taint : inventory.taints) {
    Value entry;
    entry.Set("key", Value::String(taint.key));
    entry.Set("value", Value::String(taint.value));
    entry.Set("effect", Value::String(std::string(kEffects[static_cast<size_t>(taint.effect)])));
    taints.push_back(std::move(entry));
  }
  map.Set("taints", Value::Sequence(std::move(taints)));
  Value::List devices;
  for (const DeviceConfig& device : inventory.devices) devices.push_back(WriteDevice(device));
  map.Set("devices", Value::Sequence(std::move(devices)));
  map.Set("dataSets", WriteData(inventory.data_sets));
  map.Set("models", WriteData(inventory.models));
  return map;
}

}  // namespace berth::config
