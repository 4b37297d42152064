#include "jobfile/job_yaml.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "jobfile/array_spec.h"
#include "yaml/decode.h"
#include "yaml/parse.h"

// One file, because the two directions are one list of fields: each Read… has its Write… beside it.

namespace berth::jobfile {
namespace {

using yaml::MapReader;
using yaml::Node;
using yaml::Value;

constexpr char kApiVersion[] = "berth/v1";
constexpr char kKind[] = "Job";
constexpr int32_t kMostDimension = std::numeric_limits<uint16_t>::max();
constexpr int32_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();
constexpr absl::Duration kLongestGrace = absl::Hours(1);
constexpr absl::Duration kLongestCheck = absl::Hours(24);
constexpr absl::Duration kLongest = absl::Hours(36'500 * 24);

// Position = number on the wire; 0 is UNSPECIFIED, which has no name.
constexpr std::array<std::string_view, 3> kTaintEffects = {"NoSchedule", "PreferNoSchedule",
                                                           "NoExecute"};
constexpr std::array<std::string_view, 6> kOperators = {"In",           "NotIn", "Exists",
                                                        "DoesNotExist", "Gt",    "Lt"};
constexpr std::array<std::string_view, 3> kTermKinds = {"affinity", "antiAffinity", "spread"};
constexpr std::array<std::string_view, 5> kDependencyKinds = {"afterOk", "afterNotOk", "afterAny",
                                                              "afterStart", "corresponding"};
// What stands at the top of a job of one group, and within `groups` else.
constexpr std::array<std::string_view, 35> kGroupKeys = {
    "array",       "command",      "script",       "env",     "workingDirectory", "image",
    "stdin",       "resources",    "devices",      "gang",    "clusterResources", "nodeSelector",
    "onPartition", "nodeAffinity", "tolerations",  "retries", "outputDirectory",  "terms",
    "timeLimit",   "grace",        "maxProcesses", "service", "restart",          "onOom",
    "cpuLimit",    "cpuPlacement", "ioWeight",     "network", "healthCheck",      "readinessCheck",
    "mounts",      "console",      "consoleRows",  "files",   "consoleColumns"};
constexpr std::array<std::string_view, 3> kConsoles = {"none", "pipe", "terminal"};
constexpr std::array<std::string_view, 2> kOnPartition = {"keep", "kill"};
constexpr std::array<std::string_view, 2> kRestart = {"always", "onFailure"};
constexpr std::array<std::string_view, 3> kCpuPlacements = {"shared", "dedicated", "numa"};
constexpr std::array<std::string_view, 2> kNetworks = {"host", "isolated"};

// The enum that `names` lists, read from `node`.
template <typename Enum, std::size_t N, typename Set>
void ReadEnum(const std::optional<Node>& node, const std::array<std::string_view, N>& names,
              Set set) {
  if (!node) return;
  if (const auto position = node->OneOf(names)) set(static_cast<Enum>(*position + 1));
}

template <std::size_t N>
void WriteEnum(Value& map, const char* key, const std::array<std::string_view, N>& names,
               int number) {
  if (number < 1 || number > static_cast<int>(N)) return;
  map.Set(key, Value::String(std::string(names[static_cast<std::size_t>(number) - 1])));
}

void WriteText(Value& map, const char* key, const std::string& text) {
  if (!text.empty()) map.Set(key, Value::String(text));
}

void WriteCount(Value& map, const char* key, int64_t count) {
  if (count != 0) map.Set(key, Value::Int(count));
}

void WriteBytes(Value& map, const char* key, int64_t bytes) {
  map.Set(key, Value::String(base::FormatBytesExact(bytes)));
}

void WriteMs(Value& map, const char* key, int64_t ms) {
  map.Set(key, Value::String(base::FormatExactDuration(absl::Milliseconds(ms))));
}

void WriteList(Value& map, const char* key, Value::List items) {
  if (!items.empty()) map.Set(key, Value::Sequence(std::move(items)));
}

template <typename Strings>
void WriteStrings(Value& map, const char* key, const Strings& strings) {
  Value::List items;
  for (const std::string& text : strings) items.push_back(Value::String(text));
  WriteList(map, key, std::move(items));
}

// A map of the wire has no order; a file has the one of its keys.
template <typename StringMap>
void WriteStringMap(Value& map, const char* key, const StringMap& strings) {
  const std::map<std::string, std::string> ordered(strings.begin(), strings.end());
  if (ordered.empty()) return;
  Value entries;
  for (const auto& [name, text] : ordered) entries.Set(name, Value::String(text));
  map.Set(key, std::move(entries));
}

void WriteMap(Value& map, const char* key, Value entries) {
  if (entries.is_map() && !entries.map().empty()) map.Set(key, std::move(entries));
}

template <typename Target>
void ReadStringMap(MapReader& map, const char* key, Target* target) {
  std::map<std::string, std::string> strings;
  if (map.StringMap(key, &strings)) target->insert(strings.begin(), strings.end());
}

template <typename Target>
void ReadStrings(MapReader& map, const char* key, Target* target) {
  if (const auto node = map.Get(key)) {
    for (std::string& text : node->Strings()) target->Add(std::move(text));
  }
}

// Strings by a setter, as protobuf has no pointers to them.
template <typename Set>
void ReadText(MapReader& map, const char* key, Set set) {
  std::string text;
  if (map.String(key, &text)) set(std::move(text));
}

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
        if (const auto count = item.Int(0, kMaxInt64)) {
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

void ReadDevice(const Node& node, v1::DeviceRequest& device) {
  MapReader map(node);
  if (const auto kind = map.Require("kind")) {
    if (auto text = kind->String()) device.set_kind(*std::move(text));
  }
  int64_t amount = 0;
  device.set_count(1);
  if (map.Int("count", 1, 1024, &amount)) device.set_count(static_cast<int32_t>(amount));
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
  if (const auto box = map.Get("box")) {
    for (const Node& extent : box->Items()) {
      if (const auto size = extent.Int(1, kMaxInt32)) {
        device.add_box(static_cast<int32_t>(*size));
      }
    }
  }
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
  if (map.Require("amount") && map.Int("amount", 1, kMaxInt64, &amount)) {
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
  int64_t number = 0;
  if (map.Int("maxSkew", 1, kMaxInt32, &number)) term.set_max_skew(static_cast<int32_t>(number));
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
  WriteCount(map, "maxSkew", term.max_skew());
  if (term.preferred()) map.Set("preferred", Value::Bool(true));
  WriteCount(map, "weight", term.weight());
  return map;
}

// ---- what runs ----

void ReadMount(const Node& node, v1::Mount& mount) {
  MapReader map(node);
  map.Require("source");
  for (const auto& [key, path] :
       {std::pair{"source", mount.mutable_source()}, std::pair{"target", mount.mutable_target()}}) {
    if (map.String(key, path) && !path->starts_with('/')) map.Fail(key, "is not an absolute path");
  }
  bool read_only = false;
  if (map.Bool("readOnly", &read_only)) mount.set_read_only(read_only);
  map.Finish();
}

Value WriteMount(const v1::Mount& mount) {
  Value map;
  WriteText(map, "source", mount.source());
  WriteText(map, "target", mount.target());
  if (mount.read_only()) map.Set("readOnly", Value::Bool(true));
  return map;
}

void ReadFile(const Node& node, v1::PayloadFile& file) {
  MapReader map(node);
  map.Require("name");
  ReadText(map, "name", [&](std::string text) { file.set_name(std::move(text)); });
  ReadText(map, "content", [&](std::string text) { file.set_data(std::move(text)); });
  bool executable = false;
  if (map.Bool("executable", &executable)) file.set_executable(executable);
  map.Finish();
}

Value WriteFile(const v1::PayloadFile& file) {
  Value map = Value::Mapping({});
  WriteText(map, "name", file.name());
  if (base::IsValidUtf8(file.data())) WriteText(map, "content", file.data());
  if (file.executable()) map.Set("executable", Value::Bool(true));
  return map;
}

void ReadPayload(MapReader& map, v1::Payload& payload) {
  ReadStrings(map, "command", payload.mutable_command());
  ReadText(map, "script", [&](std::string text) { payload.set_script(std::move(text)); });
  ReadStringMap(map, "env", payload.mutable_environment());
  ReadText(map, "workingDirectory",
           [&](std::string text) { payload.set_working_directory(std::move(text)); });
  if (!payload.working_directory().empty() && payload.working_directory()[0] != '/') {
    map.Fail("workingDirectory", "is not an absolute path");
  }
  ReadText(map, "image", [&](std::string text) { payload.set_image(std::move(text)); });
  ReadText(map, "outputDirectory",
           [&](std::string text) { payload.set_output_directory(std::move(text)); });
  ReadText(map, "stdin", [&](std::string text) { payload.set_stdin_data(std::move(text)); });
  if (const auto node = map.Get("mounts")) {
    for (const Node& item : node->Items()) ReadMount(item, *payload.add_mounts());
  }
  ReadEnum<v1::Console>(map.Get("console"), kConsoles,
                        [&](v1::Console console) { payload.set_console(console); });
  int32_t number = 0;
  if (map.Int32("consoleRows", 1, kMostDimension, &number)) payload.set_console_rows(number);
  if (map.Int32("consoleColumns", 1, kMostDimension, &number)) payload.set_console_columns(number);
  if (const auto node = map.Get("files")) {
    for (const Node& item : node->Items()) ReadFile(item, *payload.add_files());
  }
  // An image may say itself what to run.
  if (payload.script().empty() && payload.command().empty() && payload.image().empty()) {
    map.Fail("command",
             "is required and missing: the program and its arguments, as [sleep, 10], "
             "or a `script`");
  } else if (!payload.command().empty() && payload.command(0).empty() && payload.script().empty()) {
    map.Fail("command", "starts with an empty word where the program should be");
  }
}

void WritePayload(Value& map, const v1::Payload& payload) {
  WriteStrings(map, "command", payload.command());
  if (base::IsValidUtf8(payload.script())) WriteText(map, "script", payload.script());
  WriteStringMap(map, "env", payload.environment());
  WriteText(map, "workingDirectory", payload.working_directory());
  WriteText(map, "image", payload.image());
  Value::List mounts;
  for (const v1::Mount& mount : payload.mounts()) mounts.push_back(WriteMount(mount));
  if (!mounts.empty()) map.Set("mounts", Value::Sequence(std::move(mounts)));
  WriteText(map, "outputDirectory", payload.output_directory());
  if (base::IsValidUtf8(payload.stdin_data())) WriteText(map, "stdin", payload.stdin_data());
  WriteEnum(map, "console", kConsoles, payload.console());
  WriteCount(map, "consoleRows", payload.console_rows());
  WriteCount(map, "consoleColumns", payload.console_columns());
  if (payload.files_size() > 0) {
    Value::List files;
    for (const v1::PayloadFile& file : payload.files()) files.push_back(WriteFile(file));
    map.Set("files", Value::Sequence(std::move(files)));
  }
}

// ---- checks ----

void ReadHealthCheck(const Node& node, v1::HealthCheck& check) {
  MapReader map(node);
  ReadStrings(map, "command", check.mutable_command()->mutable_command());
  if (check.command().command().empty()) check.clear_command();
  int given = check.has_command() ? 1 : 0;
  int32_t number = 0;
  if (map.Int32("tcpPort", 1, 65535, &number)) {
    check.set_tcp_port(number);
    ++given;
  }
  if (const auto http = map.Get("http")) {
    ++given;
    MapReader fields(*http);
    v1::HttpCheck& target = *check.mutable_http();
    if (fields.Require("port") && fields.Int32("port", 1, 65535, &number)) target.set_port(number);
    ReadText(fields, "path", [&](std::string text) { target.set_path(std::move(text)); });
    fields.Finish();
  }
  if (given != 1) node.Fail("needs one of: command, tcpPort, http");
  absl::Duration duration;
  if (map.Duration("initialDelay", absl::ZeroDuration(), kLongestCheck, &duration)) {
    check.set_initial_delay_ms(absl::ToInt64Milliseconds(duration));
  }
  if (map.Duration("period", absl::Milliseconds(1), kLongestCheck, &duration)) {
    check.set_period_ms(absl::ToInt64Milliseconds(duration));
  }
  if (map.Duration("timeout", absl::Milliseconds(1), kLongestCheck, &duration)) {
    check.set_timeout_ms(absl::ToInt64Milliseconds(duration));
  }
  if (map.Int32("failures", 1, 1000, &number)) check.set_failures(number);
  map.Finish();
}

Value WriteHealthCheck(const v1::HealthCheck& check) {
  Value map = Value::Mapping({});
  WriteStrings(map, "command", check.command().command());
  WriteCount(map, "tcpPort", check.tcp_port());
  if (check.has_http()) {
    Value http;
    WriteCount(http, "port", check.http().port());
    WriteText(http, "path", check.http().path());
    map.Set("http", std::move(http));
  }
  if (check.initial_delay_ms() != 0) WriteMs(map, "initialDelay", check.initial_delay_ms());
  if (check.period_ms() != 0) WriteMs(map, "period", check.period_ms());
  if (check.timeout_ms() != 0) WriteMs(map, "timeout", check.timeout_ms());
  WriteCount(map, "failures", check.failures());
  return map;
}

void ReadMemoryRetry(const Node& node, v1::MemoryRetry& retry) {
  MapReader map(node);
  int64_t amount = 0;
  if (map.CpuMilli("factor", &amount)) {
    if (amount < 1010 || amount > 10'000) map.Fail("factor", "is not between 1.01 and 10");
    retry.set_factor_percent(static_cast<int32_t>(std::clamp<int64_t>(amount / 10, 101, 1000)));
  }
  if (map.Require("limit") && map.Bytes("limit", &amount)) retry.set_limit_bytes(amount);
  map.Finish();
}

Value WriteMemoryRetry(const v1::MemoryRetry& retry) {
  Value map;
  if (retry.factor_percent() != 0) {
    map.Set("factor", yaml::ResolvePlainScalar(base::FormatCpuMilli(retry.factor_percent() * 10)));
  }
  WriteBytes(map, "limit", retry.limit_bytes());
  return map;
}

void ReadTemplate(MapReader& map, v1::TaskTemplate& task) {
  ReadPayload(map, *task.mutable_payload());
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
  absl::Duration duration;
  if (map.Duration("timeLimit", absl::ZeroDuration(), kLongest, &duration)) {
    task.set_time_limit_ms(absl::ToInt64Milliseconds(duration));
  }
  if (map.Duration("grace", absl::ZeroDuration(), kLongestGrace, &duration)) {
    task.set_grace_ms(absl::ToInt64Milliseconds(duration));
  }
  int32_t processes = 0;
  if (map.Int32("maxProcesses", 1, kMaxInt32, &processes)) task.set_max_processes(processes);
  int64_t amount = 0;
  if (map.CpuMilli("cpuLimit", &amount)) task.set_cpu_limit_milli(amount);
  ReadEnum<v1::CpuPlacement>(map.Get("cpuPlacement"), kCpuPlacements,
                             [&](v1::CpuPlacement which) { task.set_cpu_placement(which); });
  int32_t weight = 0;
  if (map.Int32("ioWeight", 1, 1000, &weight)) task.set_io_weight(weight);
  ReadEnum<v1::NetworkMode>(map.Get("network"), kNetworks,
                            [&](v1::NetworkMode mode) { task.set_network(mode); });
  if (const auto node = map.Get("healthCheck"))
    ReadHealthCheck(*node, *task.mutable_health_check());
  if (const auto node = map.Get("readinessCheck")) {
    ReadHealthCheck(*node, *task.mutable_readiness_check());
  }
}

void WriteTemplate(Value& map, const v1::TaskTemplate& task) {
  WritePayload(map, task.payload());
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
  if (task.time_limit_ms() != 0) WriteMs(map, "timeLimit", task.time_limit_ms());
  if (task.has_grace_ms()) WriteMs(map, "grace", task.grace_ms());
  WriteCount(map, "maxProcesses", task.max_processes());
  if (task.cpu_limit_milli() != 0) {
    map.Set("cpuLimit", yaml::ResolvePlainScalar(base::FormatCpuMilli(task.cpu_limit_milli())));
  }
  WriteEnum(map, "cpuPlacement", kCpuPlacements, task.cpu_placement());
  WriteCount(map, "ioWeight", task.io_weight());
  WriteEnum(map, "network", kNetworks, task.network());
  if (task.has_health_check()) map.Set("healthCheck", WriteHealthCheck(task.health_check()));
  if (task.has_readiness_check()) {
    map.Set("readinessCheck", WriteHealthCheck(task.readiness_check()));
  }
}

// ---- groups ----

// Everything of a group but its name.
void ReadGroup(MapReader& map, v1::TaskGroup& group) {
  if (const auto node = map.Get("array")) {
    if (const auto text = node->String()) {
      const auto array = ParseArraySpec(*text);
      if (array.ok()) {
        *group.mutable_array() = *array;
      } else {
        // The path says "array" already.
        std::string message = base::S(array.status().message());
        node->Fail(message.starts_with("array: ") ? message.substr(7) : message);
      }
    }
  }
  ReadTemplate(map, *group.mutable_template_());
  if (const auto node = map.Get("gang")) {
    MapReader gang(*node);
    int32_t count = 0;
    v1::Gang& target = *group.mutable_gang();
    if (gang.Int32("minCount", 0, kMaxInt32, &count)) target.set_min_count(count);
    ReadText(gang, "topologyKey",
             [&](std::string text) { target.set_topology_key(std::move(text)); });
    gang.Finish();
  }
  ReadEnum<v1::OnPartition>(map.Get("onPartition"), kOnPartition,
                            [&](v1::OnPartition what) { group.set_on_partition(what); });
  int32_t retries = 0;
  if (map.Int32("retries", 0, 100, &retries)) group.set_retries(retries);
  bool service = false;
  if (map.Bool("service", &service)) group.set_service(service);
  ReadEnum<v1::RestartPolicy>(map.Get("restart"), kRestart,
                              [&](v1::RestartPolicy policy) { group.set_restart(policy); });
  if (const auto node = map.Get("onOom")) ReadMemoryRetry(*node, *group.mutable_on_oom());
}

void WriteGroup(Value& map, const v1::TaskGroup& group) {
  if (group.has_array()) map.Set("array", Value::String(FormatArraySpec(group.array())));
  WriteTemplate(map, group.template_());
  if (group.has_gang()) {
    Value gang = Value::Mapping({});
    WriteCount(gang, "minCount", group.gang().min_count());
    WriteText(gang, "topologyKey", group.gang().topology_key());
    map.Set("gang", std::move(gang));
  }
  WriteEnum(map, "onPartition", kOnPartition, group.on_partition());
  WriteCount(map, "retries", group.retries());
  if (group.service()) map.Set("service", Value::Bool(true));
  WriteEnum(map, "restart", kRestart, group.restart());
  if (group.has_on_oom()) map.Set("onOom", WriteMemoryRetry(group.on_oom()));
}

// ---- the job ----

void ReadLocalData(const Node& node, google::protobuf::RepeatedPtrField<v1::LocalData>* target) {
  for (const Node& item : node.Items()) {
    MapReader map(item);
    v1::LocalData& data = *target->Add();
    if (const auto name = map.Require("name")) {
      if (auto text = name->String()) data.set_name(*std::move(text));
    }
    int64_t bytes = 0;
    if (map.Bytes("size", &bytes)) data.set_size_bytes(bytes);
    map.Finish();
  }
}

void WriteLocalData(Value& map, const char* key,
                    const google::protobuf::RepeatedPtrField<v1::LocalData>& all) {
  Value::List items;
  for (const v1::LocalData& data : all) {
    Value item;
    item.Set("name", Value::String(data.name()));
    if (data.size_bytes() != 0) WriteBytes(item, "size", data.size_bytes());
    items.push_back(std::move(item));
  }
  WriteList(map, key, std::move(items));
}

void ReadFeatures(const Node& node, v1::Features& features) {
  MapReader map(node);
  ReadText(map, "computationClass",
           [&](std::string text) { features.set_computation_class(std::move(text)); });
  absl::Duration duration;
  if (map.Duration("duration", absl::ZeroDuration(), kLongest, &duration)) {
    features.set_duration_ms(absl::ToInt64Milliseconds(duration));
  }
  if (const auto inputs = map.Get("inputs")) ReadLocalData(*inputs, features.mutable_inputs());
  if (const auto outputs = map.Get("outputs")) ReadLocalData(*outputs, features.mutable_outputs());
  ReadStrings(map, "models", features.mutable_models());
  map.Finish();
}

Value WriteFeatures(const v1::Features& features) {
  Value map = Value::Mapping({});
  WriteText(map, "computationClass", features.computation_class());
  if (features.has_duration_ms()) WriteMs(map, "duration", features.duration_ms());
  WriteLocalData(map, "inputs", features.inputs());
  WriteLocalData(map, "outputs", features.outputs());
  WriteStrings(map, "models", features.models());
  return map;
}

// "2026-11-20T18:00:00Z" → milliseconds since 1970.
template <typename Set>
void ReadTime(MapReader& map, const char* key, Set set) {
  const auto node = map.Get(key);
  if (!node) return;
  const auto text = node->String();
  if (!text) return;
  absl::Time time;
  std::string why;
  // absl would also take "infinite-future".
  const bool digits = !text->empty() && (*text)[0] >= '0' && (*text)[0] <= '9';
  if (!digits || !absl::ParseTime(absl::RFC3339_full, *text, &time, &why)) {
    node->Fail("\"" + *text + "\" is not a time: write it as 2026-11-20T18:00:00Z");
    return;
  }
  set(absl::ToUnixMillis(time));
}

void WriteTime(Value& map, const char* key, int64_t unix_ms) {
  map.Set(key, Value::String(absl::FormatTime(absl::RFC3339_full, absl::FromUnixMillis(unix_ms),
                                              absl::UTCTimeZone())));
}

void ReadDependency(const Node& node, v1::Dependency& dependency) {
  MapReader map(node);
  ReadEnum<v1::DependencyKind>(map.Require("kind"), kDependencyKinds,
                               [&](v1::DependencyKind kind) { dependency.set_kind(kind); });
  if (const auto job = map.Require("job")) {
    if (auto text = job->String()) dependency.set_job_id(*std::move(text));
  }
  map.Finish();
}

void ReadJob(const Node& root, v1::JobSpec& job) {
  MapReader map(root);
  if (const auto version = map.Require("apiVersion")) {
    const auto text = version->String();
    if (text && *text != kApiVersion) {
      version->Fail("\"" + *text + "\" is not known: write " + kApiVersion);
    }
  }
  if (const auto kind = map.Require("kind")) {
    const auto text = kind->String();
    if (text && *text != kKind) kind->Fail("\"" + *text + "\" is not known: write " + kKind);
  }

  ReadText(map, "name", [&](std::string text) { job.set_name(std::move(text)); });
  ReadText(map, "namespace", [&](std::string text) { job.set_namespace_(std::move(text)); });
  ReadText(map, "queue", [&](std::string text) { job.set_queue(std::move(text)); });
  ReadText(map, "profile", [&](std::string text) { job.set_profile(std::move(text)); });
  int32_t priority = 0;
  if (map.Int32("priority", -1000, 1000, &priority)) job.set_priority(priority);
  ReadText(map, "priorityClass",
           [&](std::string text) { job.set_priority_class(std::move(text)); });
  ReadText(map, "description", [&](std::string text) { job.set_description(std::move(text)); });
  ReadStringMap(map, "labels", job.mutable_labels());
  ReadStringMap(map, "annotations", job.mutable_annotations());
  if (const auto node = map.Get("dependencies")) {
    for (const Node& item : node->Items()) ReadDependency(item, *job.add_dependencies());
  }
  ReadText(map, "reservation", [&](std::string text) { job.set_reservation(std::move(text)); });
  ReadTime(map, "beginTime", [&](int64_t unix_ms) { job.set_begin_unix_ms(unix_ms); });
  ReadTime(map, "deadline", [&](int64_t unix_ms) { job.set_deadline_unix_ms(unix_ms); });
  bool held = false;
  if (map.Bool("held", &held)) job.set_held(held);
  if (const auto node = map.Get("features")) ReadFeatures(*node, *job.mutable_features());

  const auto groups = map.Get("groups");
  if (!groups) {
    // A job of one group is written without it.
    ReadGroup(map, *job.add_groups());
    map.Finish();
    return;
  }
  for (const std::string_view key : kGroupKeys) {
    if (const auto misplaced = map.Get(key)) {
      misplaced->Fail("belongs to a group: with `groups`, write it under the group that it is of");
    }
  }
  for (const Node& item : groups->Items()) {
    v1::TaskGroup& group = *job.add_groups();
    MapReader fields(item);
    ReadText(fields, "name", [&](std::string text) { group.set_name(std::move(text)); });
    ReadGroup(fields, group);
    fields.Finish();
  }
  if (groups->value().is_list() && groups->value().list().empty()) {
    groups->Fail("is empty: a job needs at least one group");
  }
  map.Finish();
}

}  // namespace

absl::StatusOr<v1::JobSpec> ParseJobYaml(std::string_view text, const std::string& file) {
  BERTH_ASSIGN_OR_RETURN(const Value root, yaml::ParseYaml(text, file, kMaxJobFileBytes));
  if (root.is_null()) {
    return absl::InvalidArgumentError(
        file + ": is empty: a job file has `kind: Job`, `apiVersion: " + kApiVersion +
        "` and a `command`");
  }
  yaml::Problems problems(file);
  v1::JobSpec job;
  // What `get job -o yaml` prints has the job under `spec`, and beside it what became of it.
  const Value* const spec = root.is_map() ? root.Find("spec") : nullptr;
  ReadJob(spec != nullptr ? Node(*spec, "spec", problems) : Node(root, "", problems), job);
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  return job;
}

yaml::Value JobToYaml(const v1::JobSpec& job) {
  Value map;
  map.Set("apiVersion", Value::String(kApiVersion));
  map.Set("kind", Value::String(kKind));
  WriteText(map, "name", job.name());
  WriteText(map, "namespace", job.namespace_());
  WriteText(map, "queue", job.queue());
  WriteText(map, "profile", job.profile());
  WriteCount(map, "priority", job.priority());
  WriteText(map, "priorityClass", job.priority_class());
  WriteText(map, "description", job.description());
  WriteStringMap(map, "labels", job.labels());
  WriteStringMap(map, "annotations", job.annotations());
  Value::List items;
  for (const v1::Dependency& dependency : job.dependencies()) {
    Value item;
    WriteEnum(item, "kind", kDependencyKinds, dependency.kind());
    item.Set("job", Value::String(dependency.job_id()));
    items.push_back(std::move(item));
  }
  WriteList(map, "dependencies", std::exchange(items, {}));
  WriteText(map, "reservation", job.reservation());
  if (job.has_begin_unix_ms()) WriteTime(map, "beginTime", job.begin_unix_ms());
  if (job.has_deadline_unix_ms()) WriteTime(map, "deadline", job.deadline_unix_ms());
  if (job.held()) map.Set("held", Value::Bool(true));
  if (job.has_features()) map.Set("features", WriteFeatures(job.features()));

  if (job.groups_size() == 1 && job.groups(0).name().empty()) {
    WriteGroup(map, job.groups(0));
    return map;
  }
  for (const v1::TaskGroup& group : job.groups()) {
    Value item = Value::Mapping({});
    WriteText(item, "name", group.name());
    WriteGroup(item, group);
    items.push_back(std::move(item));
  }
  WriteList(map, "groups", std::move(items));
  return map;
}

}  // namespace berth::jobfile
