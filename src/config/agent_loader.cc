#include "config/agent_loader.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/host_port.h"
#include "base/ipv4_subnet.h"
#include "base/quantities.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/resources.h"
#include "config/fields.h"
#include "yaml/decode.h"
#include "yaml/parse.h"
#include "yaml/write.h"

namespace berth::config {
namespace {

using yaml::MapReader;
using yaml::Node;
using yaml::Value;

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr std::size_t kMaxNodeName = 253;
// One more is counted by the agent.
constexpr std::size_t kMostDeclared = kMaxResources - kFirstExtended - 1;

// In the order of the enums.
constexpr std::array<std::string_view, 4> kIsolations = {"auto", "v1", "v2", "none"};
constexpr std::array<std::string_view, 3> kEffects = {"NoSchedule", "PreferNoSchedule",
                                                      "NoExecute"};
constexpr std::array<std::string_view, 5> kLinks = {"pcie", "nvlink", "nvswitch", "ici", "xgmi"};

// [a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?, as types.proto says.
bool IsNodeName(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kMaxNodeName && alphanumeric(name.front()) &&
         alphanumeric(name.back()) && std::all_of(name.begin(), name.end(), [&](char c) {
           return alphanumeric(c) || c == '.' || c == '-';
         });
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

// ---- reading ----

void ReadServer(MapReader& map, std::string* server) {
  std::string address;
  if (!map.String("server", &address)) return;
  constexpr std::string_view kUnix = "unix:";
  if (address.starts_with(kUnix)) {
    const std::string path = address.substr(kUnix.size());
    if (!path.starts_with('/')) {
      map.Fail("server", "\"" + address + "\" has no absolute path: write unix:/path/to/socket");
    } else if (path.size() > kMaxSocketPath) {
      map.Fail("server", "has a path of " + std::to_string(path.size()) + " bytes; that of a " +
                             "socket may have " + std::to_string(kMaxSocketPath));
    } else {
      *server = address;
    }
    return;
  }
  const auto parsed = base::ParseHostPort(address);
  if (!parsed.ok()) {
    map.Fail("server",
             base::S(parsed.status().message()) + ": write unix:/path/to/socket or host:port");
  } else if (!base::IsLoopback(parsed->host)) {
    map.Fail("server", "\"" + address +
                           "\" is not a loopback address: others need TLS, which is not honoured "
                           "yet");
  } else {
    *server = address;
  }
}

template <typename Read>
void ReadOptional(std::optional<int64_t>* target, Read read) {
  int64_t amount = 0;
  if (read(&amount)) *target = amount;
}

// A required text that is not empty, or "".
std::string RequireText(MapReader& map, std::string_view key) {
  const auto node = map.Require(key);
  if (!node) return "";
  const auto text = node->String();
  if (text && text->empty()) node->Fail("is empty");
  return text.value_or("");
}

TaintConfig ReadTaint(const Node& node) {
  TaintConfig taint;
  MapReader map(node);
  taint.key = RequireText(map, "key");
  map.String("value", &taint.value);
  if (const auto effect = map.Require("effect")) {
    if (const auto at = effect->OneOf(kEffects)) taint.effect = static_cast<TaintEffect>(*at);
  }
  map.Finish();
  return taint;
}

DeviceLinkConfig ReadLink(const Node& node) {
  DeviceLinkConfig link;
  MapReader map(node);
  link.peer = RequireText(map, "peer");
  if (const auto kind = map.Require("kind")) {
    if (const auto at = kind->OneOf(kLinks)) link.kind = static_cast<LinkKind>(*at);
  }
  // Bytes a second, as the vendors' tools print it.
  map.Bytes("bandwidth", &link.bandwidth_bytes_per_s);
  map.Finish();
  return link;
}

constexpr const char* kManyAxes = "has more numbers than a torus has axes, which are at most 3";

TorusConfig ReadTorus(const Node& node) {
  TorusConfig torus;
  MapReader map(node);
  torus.kind = RequireText(map, "kind");
  if (const auto extents = map.Require("extents")) {
    for (const Node& item : extents->Items()) {
      if (const auto extent = item.Int(1, kMaxTorusExtent)) {
        torus.extents.push_back(static_cast<int32_t>(*extent));
      }
    }
    if (torus.extents.size() > kTorusAxes) map.Fail("extents", kManyAxes);
  }
  if (const auto wraps = map.Get("wraps")) {
    for (const Node& item : wraps->Items()) {
      if (const auto wrap = item.Bool()) torus.wraps.push_back(*wrap);
    }
    if (torus.wraps.size() != torus.extents.size()) {
      map.Fail("wraps", "has " + std::to_string(torus.wraps.size()) + " entries for " +
                            std::to_string(torus.extents.size()) + " axes");
    }
  }
  map.Finish();
  return torus;
}

DeviceConfig ReadDevice(const Node& node) {
  DeviceConfig device;
  MapReader map(node);
  device.id = RequireText(map, "id");
  device.kind = RequireText(map, "kind");
  if (device.kind != Lower(device.kind)) map.Fail("kind", "is not in lower case");
  map.String("model", &device.model);
  map.Bytes("memory", &device.memory_bytes);
  int32_t numa = 0;
  if (map.Int32("numaNode", 0, 1'023, &numa)) device.numa_node = numa;
  if (const auto links = map.Get("links")) {
    for (const Node& item : links->Items()) device.links.push_back(ReadLink(item));
  }
  if (const auto torus = map.Get("torusCoordinates")) {
    for (const Node& item : torus->Items()) {
      if (const auto at = item.Int(0, kMaxTorusExtent - 1)) {
        device.torus_coordinates.push_back(static_cast<int32_t>(*at));
      }
    }
    if (device.torus_coordinates.size() > kTorusAxes) {
      map.Fail("torusCoordinates", kManyAxes);
    }
  }
  map.String("unhealthyReason", &device.unhealthy_reason);
  map.Finish();
  return device;
}

std::vector<LocalDataConfig> ReadLocalData(const Node& node) {
  std::vector<LocalDataConfig> all;
  for (const Node& item : node.Items()) {
    LocalDataConfig data;
    MapReader map(item);
    data.name = RequireText(map, "name");
    map.Bytes("size", &data.size_bytes);
    map.Finish();
    all.push_back(std::move(data));
  }
  return all;
}

void CheckDevices(const Node& node, const std::vector<DeviceConfig>& devices) {
  std::set<std::string> ids;
  const std::vector<Node> items = node.Items();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (!devices[i].id.empty() && !ids.insert(devices[i].id).second) {
      items[i].Fail("\"" + devices[i].id + "\" is the id of two devices");
    }
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    for (const DeviceLinkConfig& link : devices[i].links) {
      if (!link.peer.empty() && !ids.contains(link.peer)) {
        items[i].Fail("is linked to \"" + link.peer + "\", which is no device of this node");
      }
    }
  }
}

void CheckTori(const Node& node, const std::vector<TorusConfig>& tori) {
  std::set<std::string> kinds;
  const std::vector<Node> items = node.Items();
  for (std::size_t i = 0; i < tori.size(); ++i) {
    if (!tori[i].kind.empty() && !kinds.insert(tori[i].kind).second) {
      items[i].Fail("\"" + tori[i].kind + "\" has a torus already");
    }
  }
}

// Each device has a place of its own, within the torus of its kind.
void CheckPlaces(const Node& node, const InventoryConfig& inventory) {
  std::set<std::pair<std::string, std::vector<int32_t>>> taken;
  const std::vector<Node> items = node.Items();
  for (std::size_t i = 0; i < inventory.devices.size(); ++i) {
    const DeviceConfig& device = inventory.devices[i];
    if (device.torus_coordinates.empty()) continue;
    for (const TorusConfig& torus : inventory.tori) {
      if (torus.kind != device.kind) continue;
      const bool is_in = device.torus_coordinates.size() == torus.extents.size() &&
                         std::equal(torus.extents.begin(), torus.extents.end(),
                                    device.torus_coordinates.begin(), std::greater<>());
      if (!is_in) items[i].Fail("has torusCoordinates that are no place in the torus of its kind");
    }
    if (!taken.emplace(device.kind, device.torus_coordinates).second) {
      items[i].Fail("has the torusCoordinates of another device");
    }
  }
}

void ReadInventory(const Node& root, InventoryConfig* inventory) {
  MapReader map(root);
  ReadOptional(&inventory->cpu_milli, [&](int64_t* to) { return map.CpuMilli("cpu", to); });
  ReadOptional(&inventory->memory_bytes, [&](int64_t* to) { return map.Bytes("memory", to); });
  ReadOptional(&inventory->storage_bytes, [&](int64_t* to) { return map.Bytes("storage", to); });
  ReadOptional(&inventory->bandwidth_bits_per_s,
               [&](int64_t* to) { return map.BitsPerSecond("bandwidth", to); });
  if (inventory->cpu_milli == 0) map.Fail("cpu", "is 0: a node must have some CPU");
  if (inventory->memory_bytes == 0) map.Fail("memory", "is 0: a node must have some memory");
  if (const auto extended = map.Get("extended"); extended && !extended->value().is_null()) {
    if (!extended->value().is_map()) {
      extended->Fail("expected a map of whole numbers, found " + extended->value().Describe());
    } else {
      if (extended->value().map().size() > kMostDeclared) {
        extended->Fail("names " + std::to_string(extended->value().map().size()) +
                       " resources: a node has at most " + std::to_string(kMostDeclared));
      }
      for (const Value::Entry& entry : extended->value().map()) {
        const Node item(entry.value, extended->path() + "." + entry.key, root.problems());
        if (entry.key == kDedicatedCpus) item.Fail("is counted by the agent: leave it out");
        if (const auto count = item.Int(0, kMaxInt64)) inventory->extended[entry.key] = *count;
      }
    }
  }
  map.StringMap("labels", &inventory->labels);
  if (const auto taints = map.Get("taints")) {
    for (const Node& item : taints->Items()) inventory->taints.push_back(ReadTaint(item));
  }
  if (const auto devices = map.Get("devices")) {
    for (const Node& item : devices->Items()) inventory->devices.push_back(ReadDevice(item));
    if (devices->value().is_list()) CheckDevices(*devices, inventory->devices);
  }
  if (const auto tori = map.Get("tori")) {
    for (const Node& item : tori->Items()) inventory->tori.push_back(ReadTorus(item));
    if (tori->value().is_list()) CheckTori(*tori, inventory->tori);
  }
  if (const auto devices = map.Get("devices"); devices && devices->value().is_list()) {
    CheckPlaces(*devices, *inventory);
  }
  if (const auto data = map.Get("dataSets")) inventory->data_sets = ReadLocalData(*data);
  if (const auto models = map.Get("models")) inventory->models = ReadLocalData(*models);
  map.Finish();
}

void ReadNodeName(MapReader& map, const std::string& host_name, std::string* name) {
  *name = Lower(host_name);
  if (map.String("nodeName", name)) {
    if (!IsNodeName(*name)) {
      map.Fail("nodeName", "\"" + *name +
                               "\" is no name of a node: lower-case letters, digits, \".\" and "
                               "\"-\", at most 253, with a letter or digit at both ends");
    }
  } else if (!map.Get("nodeName") && !IsNodeName(*name)) {
    map.Fail("nodeName", "is missing, and this machine's host name, \"" + host_name +
                             "\", is no name of a node: write one");
  }
}

void ReadCgroupRoot(MapReader& map, std::string* root) {
  std::string path;
  if (!map.String("cgroupRoot", &path)) return;
  // Joined to each mount point: it must stay below.
  const bool climbs = ("/" + path + "/").find("/../") != std::string::npos;
  if (path.empty() || path.starts_with('/') || path.ends_with('/') || climbs) {
    map.Fail("cgroupRoot", "\"" + path +
                               "\" is not a path below the cgroup mounts, as \"berth\" or "
                               "\"machine/berth\"");
    return;
  }
  *root = path;
}

void ReadRoots(MapReader& map, const char* key, std::vector<std::string>* roots) {
  const auto list = map.Get(key);
  if (!list) return;
  for (const Node& item : list->Items()) {
    const auto path = item.String();
    if (!path) continue;
    if (!path->starts_with('/')) {
      item.Fail("\"" + *path + "\" is no absolute path of a folder");
    } else {
      roots->push_back(*path);
    }
  }
}

void ReadCommand(MapReader& map, std::vector<std::string>* command) {
  const auto node = map.Require("command");
  if (!node) return;
  *command = node->Strings();
  if (command->empty() || !(*command)[0].starts_with('/')) {
    map.Fail("command", "does not begin with the absolute path of a program");
  }
}

void ReadMs(MapReader& map, const char* key, int64_t* ms) {
  absl::Duration duration;
  if (map.Duration(key, absl::Milliseconds(100), absl::Hours(24), &duration)) {
    *ms = absl::ToInt64Milliseconds(duration);
  }
}

void ReadHook(MapReader& map, const char* key, HookConfig* hook) {
  const auto node = map.Get(key);
  if (!node) return;
  MapReader fields(*node);
  ReadCommand(fields, &hook->command);
  ReadMs(fields, "timeout", &hook->timeout_ms);
  fields.Finish();
}

void ReadNodeCheck(MapReader& map, NodeCheckConfig* check) {
  const auto node = map.Get("healthCheck");
  if (!node) return;
  MapReader fields(*node);
  ReadCommand(fields, &check->command);
  ReadMs(fields, "period", &check->period_ms);
  ReadMs(fields, "timeout", &check->timeout_ms);
  fields.Finish();
}

void ReadSubnet(MapReader& map, std::string* subnet) {
  if (!map.String("taskSubnet", subnet)) return;
  if (!base::ParseIpv4Subnet(*subnet)) {
    map.Fail("taskSubnet",
             "\"" + *subnet + "\" is no IPv4 network of 4 to 2^24 addresses, as 100.64.0.0/16");
  }
}

void ReadAgent(const Node& root, const std::string& host_name, AgentConfig* config) {
  MapReader map(root);
  ReadServer(map, &config->server);
  ReadNodeName(map, host_name, &config->node_name);
  ReadPath(map, "stateDir", false, &config->state_dir);
  ReadPath(map, "shim", true, &config->shim);
  ReadCgroupRoot(map, &config->cgroup_root);
  if (const auto isolation = map.Get("isolation")) {
    if (const auto at = isolation->OneOf(kIsolations)) {
      config->isolation = static_cast<Isolation>(*at);
    }
  }
  map.Bool("allowRoot", &config->allow_root);
  map.String("ociRuntime", &config->oci_runtime);
  map.String("podman", &config->podman);
  map.Bytes("imageStore", &config->image_store_bytes);
  if (map.Get("cdiSpecDirs")) config->cdi_spec_dirs.clear();
  ReadRoots(map, "cdiSpecDirs", &config->cdi_spec_dirs);
  map.String("inventoryFile", &config->inventory_file);
  if (const auto inventory = map.Get("inventory")) {
    ReadInventory(*inventory, &config->inventory);
    if (!config->inventory_file.empty()) {
      map.Fail("inventoryFile", "and `inventory` are both there: write one of them");
    }
  }
  ReadRoots(map, "dataRoots", &config->data_roots);
  ReadRoots(map, "modelRoots", &config->model_roots);
  if (const auto reserve = map.Get("reserve")) {
    MapReader fields(*reserve);
    fields.CpuMilli("cpu", &config->reserve.cpu_milli);
    fields.Bytes("memory", &config->reserve.memory_bytes);
    fields.Bytes("storage", &config->reserve.storage_bytes);
    fields.Finish();
  }
  ReadHook(map, "prolog", &config->prolog);
  ReadHook(map, "epilog", &config->epilog);
  ReadNodeCheck(map, &config->health_check);
  ReadSubnet(map, &config->task_subnet);
  ReadLog(map, &config->log);
  map.NotHonoured("tls", "agents dial a Unix socket or loopback so far");
  map.NotHonoured("metricsListen", "an agent's metrics travel over its stream");
  map.Finish();
}

// ---- writing ----

void SetTexts(Value& map, const char* key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  Value::List items;
  for (const std::string& text : texts) items.push_back(Value::String(text));
  map.Set(key, Value::Sequence(std::move(items)));
}

void SetCpu(Value& map, const char* key, int64_t milli) {
  map.Set(key, yaml::ResolvePlainScalar(base::FormatCpuMilli(milli)));
}

void SetMs(Value& map, const char* key, int64_t ms) {
  SetText(map, key, base::FormatExactDuration(absl::Milliseconds(ms)));
}

void SetHook(Value& map, const char* key, const HookConfig& hook) {
  if (hook.command.empty()) return;
  Value value;
  SetTexts(value, "command", hook.command);
  SetMs(value, "timeout", hook.timeout_ms);
  map.Set(key, std::move(value));
}

Value WriteDevice(const DeviceConfig& device) {
  Value map;
  SetText(map, "id", device.id);
  SetText(map, "kind", device.kind);
  if (!device.model.empty()) SetText(map, "model", device.model);
  if (device.memory_bytes != 0) SetBytes(map, "memory", device.memory_bytes);
  if (device.numa_node) map.Set("numaNode", Value::Int(*device.numa_node));
  Value::List links;
  for (const DeviceLinkConfig& link : device.links) {
    Value item;
    SetText(item, "peer", link.peer);
    SetText(item, "kind", std::string(kLinks[static_cast<std::size_t>(link.kind)]));
    if (link.bandwidth_bytes_per_s != 0) SetBytes(item, "bandwidth", link.bandwidth_bytes_per_s);
    links.push_back(std::move(item));
  }
  if (!links.empty()) map.Set("links", Value::Sequence(std::move(links)));
  Value::List torus;
  for (const int32_t at : device.torus_coordinates) torus.push_back(Value::Int(at));
  if (!torus.empty()) map.Set("torusCoordinates", Value::Sequence(std::move(torus)));
  if (!device.unhealthy_reason.empty()) SetText(map, "unhealthyReason", device.unhealthy_reason);
  return map;
}

void SetLocalData(Value& map, const char* key, const std::vector<LocalDataConfig>& all) {
  if (all.empty()) return;
  Value::List items;
  for (const LocalDataConfig& data : all) {
    Value item;
    SetText(item, "name", data.name);
    if (data.size_bytes != 0) SetBytes(item, "size", data.size_bytes);
    items.push_back(std::move(item));
  }
  map.Set(key, Value::Sequence(std::move(items)));
}

// What is not said is left out: it is probed.
Value WriteInventory(const InventoryConfig& inventory) {
  Value map = Value::Mapping({});
  if (inventory.cpu_milli) SetCpu(map, "cpu", *inventory.cpu_milli);
  if (inventory.memory_bytes) SetBytes(map, "memory", *inventory.memory_bytes);
  if (inventory.storage_bytes) SetBytes(map, "storage", *inventory.storage_bytes);
  if (inventory.bandwidth_bits_per_s) {
    SetText(map, "bandwidth", base::FormatBitsPerSecond(*inventory.bandwidth_bits_per_s));
  }
  Value extended;
  for (const auto& [name, count] : inventory.extended) extended.Set(name, Value::Int(count));
  if (!extended.is_null()) map.Set("extended", std::move(extended));
  Value labels;
  for (const auto& [key, value] : inventory.labels) labels.Set(key, Value::String(value));
  if (!labels.is_null()) map.Set("labels", std::move(labels));
  Value::List items;
  for (const TaintConfig& taint : inventory.taints) {
    Value item;
    SetText(item, "key", taint.key);
    SetText(item, "value", taint.value);
    SetText(item, "effect", std::string(kEffects[static_cast<std::size_t>(taint.effect)]));
    items.push_back(std::move(item));
  }
  if (!items.empty()) map.Set("taints", Value::Sequence(std::exchange(items, {})));
  for (const DeviceConfig& device : inventory.devices) items.push_back(WriteDevice(device));
  if (!items.empty()) map.Set("devices", Value::Sequence(std::exchange(items, {})));
  for (const TorusConfig& torus : inventory.tori) {
    Value item;
    SetText(item, "kind", torus.kind);
    Value::List extents, wraps;
    for (const int32_t extent : torus.extents) extents.push_back(Value::Int(extent));
    for (const bool wrap : torus.wraps) wraps.push_back(Value::Bool(wrap));
    item.Set("extents", Value::Sequence(std::move(extents)));
    if (!wraps.empty()) item.Set("wraps", Value::Sequence(std::move(wraps)));
    items.push_back(std::move(item));
  }
  if (!items.empty()) map.Set("tori", Value::Sequence(std::move(items)));
  SetLocalData(map, "dataSets", inventory.data_sets);
  SetLocalData(map, "models", inventory.models);
  return map;
}

// `path` as seen from the folder of `file`.
std::string Beside(const std::string& file, const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

}  // namespace

absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path, const std::string& host_name) {
  BERTH_ASSIGN_OR_RETURN(const std::string text, base::ReadSmallFile(path, kMaxConfigBytes));
  BERTH_ASSIGN_OR_RETURN(AgentConfig config, ParseAgentConfig(text, path, host_name));
  if (!config.inventory_file.empty()) {
    config.inventory_file = Beside(path, config.inventory_file);
    BERTH_ASSIGN_OR_RETURN(const std::string inventory,
                           base::ReadSmallFile(config.inventory_file, kMaxConfigBytes));
    BERTH_ASSIGN_OR_RETURN(config.inventory, ParseInventory(inventory, config.inventory_file));
  }
  return config;
}

absl::StatusOr<AgentConfig> ParseAgentConfig(std::string_view text, const std::string& file,
                                             const std::string& host_name) {
  BERTH_ASSIGN_OR_RETURN(const Value root, yaml::ParseYaml(text, file, kMaxConfigBytes));
  yaml::Problems problems(file);
  AgentConfig config;
  ReadAgent(Node(root, "", problems), host_name, &config);
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  return config;
}

absl::StatusOr<InventoryConfig> ParseInventory(std::string_view text, const std::string& file) {
  BERTH_ASSIGN_OR_RETURN(const Value root, yaml::ParseYaml(text, file, kMaxConfigBytes));
  yaml::Problems problems(file);
  InventoryConfig inventory;
  ReadInventory(Node(root, "", problems), &inventory);
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  return inventory;
}

std::string FormatAgentConfig(const AgentConfig& config) {
  Value map;
  SetText(map, "server", config.server);
  SetText(map, "nodeName", config.node_name);
  SetText(map, "stateDir", config.state_dir);
  SetText(map, "shim", config.shim);
  SetText(map, "cgroupRoot", config.cgroup_root);
  SetText(map, "isolation", std::string(kIsolations[static_cast<std::size_t>(config.isolation)]));
  map.Set("allowRoot", Value::Bool(config.allow_root));
  SetText(map, "ociRuntime", config.oci_runtime);
  SetText(map, "podman", config.podman);
  SetBytes(map, "imageStore", config.image_store_bytes);
  SetTexts(map, "cdiSpecDirs", config.cdi_spec_dirs);
  map.Set("inventory", WriteInventory(config.inventory));
  SetTexts(map, "dataRoots", config.data_roots);
  SetTexts(map, "modelRoots", config.model_roots);
  Value reserve;
  SetCpu(reserve, "cpu", config.reserve.cpu_milli);
  SetBytes(reserve, "memory", config.reserve.memory_bytes);
  SetBytes(reserve, "storage", config.reserve.storage_bytes);
  map.Set("reserve", std::move(reserve));
  SetHook(map, "prolog", config.prolog);
  SetHook(map, "epilog", config.epilog);
  if (!config.health_check.command.empty()) {
    Value check;
    SetTexts(check, "command", config.health_check.command);
    SetMs(check, "period", config.health_check.period_ms);
    SetMs(check, "timeout", config.health_check.timeout_ms);
    map.Set("healthCheck", std::move(check));
  }
  SetText(map, "taskSubnet", config.task_subnet);
  map.Set("log", WriteLog(config.log));
  return yaml::WriteYaml(map);
}

}  // namespace berth::config
