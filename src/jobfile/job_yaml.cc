#include "jobfile/job_yaml.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/time/time.h"
#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "jobfile/array_spec.h"
#include "jobfile/message_fields.h"
#include "jobfile/placement_yaml.h"
#include "yaml/decode.h"
#include "yaml/parse.h"

// The two directions are one list of fields: each Read… has its Write… beside it.

namespace berth::jobfile {
namespace {

using yaml::MapReader;
using yaml::Node;
using yaml::Value;

constexpr char kApiVersion[] = "berth/v1";
constexpr char kKind[] = "Job";
constexpr int32_t kMostDimension = std::numeric_limits<uint16_t>::max();
constexpr int32_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr absl::Duration kLongestGrace = absl::Hours(1);
constexpr absl::Duration kLongestCheck = absl::Hours(24);
constexpr absl::Duration kLongest = absl::Hours(36'500 * 24);

// Position = number on the wire; 0 is UNSPECIFIED, which has no name.
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
  ReadPlacement(map, task);
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
  WritePlacement(map, task);
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
