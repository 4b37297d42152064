#include "config/berthd_loader.h"

#include <charconv>
#include <utility>

#include "base/quantities.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "config/log_yaml.h"
#include "config/loopback.h"
#include "config/profile_yaml.h"
#include "yaml/decode.h"
#include "yaml/parse.h"
#include "yaml/write.h"

namespace berth::config {
namespace {

using yaml::MapReader;
using yaml::Value;

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr int64_t kMostCount = 1'000'000'000;
constexpr size_t kLongestSocketPath = 107;  // of sockaddr_un, less its end

// Octal, as chmod writes it: "0660".
void ReadMode(MapReader& map, const char* key, uint32_t* mode) {
  const auto node = map.Get(key);
  if (!node) return;
  const auto text = node->String();
  if (!text) return;
  uint32_t read = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), read, 8);
  if (error != std::errc() || end != text->data() + text->size() || read > 0777) {
    node->Fail("\"" + *text + "\" is no file mode: write it in octal, as in \"0660\"");
    return;
  }
  *mode = read;
}

std::string ModeText(uint32_t mode) {
  std::string text = "0000";
  for (int i = 3; i >= 1; --i, mode >>= 3) text[static_cast<size_t>(i)] = "01234567"[mode & 7];
  return text;
}

void CheckAbsolute(const MapReader& map, const char* key, const std::string& path) {
  if (path.empty() || path[0] != '/') {
    map.Fail(key, "\"" + path + "\" must be an absolute path");
  }
}

void ReadAddresses(MapReader& map, BerthdConfig& config) {
  map.String("socket", &config.socket);
  CheckAbsolute(map, "socket", config.socket);
  if (config.socket.size() > kLongestSocketPath) {
    map.Fail("socket", "is longer than the " + std::to_string(kLongestSocketPath) +
                           " bytes that a Unix socket's path may have");
  }
  ReadMode(map, "socketMode", &config.socket_mode);
  map.String("socketGroup", &config.socket_group);
  map.String("listen", &config.listen);
  map.Bool("insecure", &config.insecure);
  map.String("httpListen", &config.http_listen);
  std::string host;
  int port = 0;
  if (!config.listen.empty()) {
    if (!SplitHostPort(config.listen, &host, &port)) {
      map.Fail("listen", "\"" + config.listen + "\" is not host:port, as in 127.0.0.1:7460");
    } else if (!IsLoopback(host)) {
      map.Fail("listen", "\"" + config.listen +
                             "\" can be reached from other machines, and TLS is not honoured yet: "
                             "use a loopback address (127.0.0.1:7460), or only the Unix socket");
    } else if (!config.insecure) {
      map.Fail("listen",
               "TCP has no TLS yet, so whoever is on this machine could call unseen: set "
               "insecure: true to allow that on loopback, or leave `listen` out");
    }
  }
  if (!config.http_listen.empty()) {
    if (!SplitHostPort(config.http_listen, &host, &port)) {
      map.Fail("httpListen",
               "\"" + config.http_listen + "\" is not host:port, as in 127.0.0.1:7461");
    } else if (!IsLoopback(host)) {
      map.Fail("httpListen", "\"" + config.http_listen +
                                 "\" can be reached from other machines, and TLS is not honoured "
                                 "yet: use a loopback address (127.0.0.1:7461)");
    }
  }
}

void ReadTiming(MapReader& map, BerthdConfig& config) {
  const BerthdConfig defaults;
  map.Duration("heartbeatInterval", absl::Seconds(1), absl::Minutes(10),
               &config.heartbeat_interval);
  for (const char* key : {"lease", "lostAfter"}) {
    absl::Duration value = key[1] == 'e' ? defaults.lease : defaults.lost_after;
    const absl::Duration only = value;
    map.Duration(key, absl::Seconds(1), absl::Hours(24), &value);
    if (value != only) {
      map.Fail(key, "is not honoured yet: only " + base::FormatExactDuration(only) +
                        " is accepted; leave it out");
    }
  }
}

void ReadSections(MapReader& map, BerthdConfig& config) {
  if (const auto node = map.Get("taskDefaults")) {
    MapReader section(*node);
    section.CpuMilli("cpu", &config.task_defaults.cpu_milli);
    section.Bytes("memory", &config.task_defaults.memory_bytes);
    if (config.task_defaults.memory_bytes <= 0) section.Fail("memory", "must be more than 0");
    section.Duration("grace", absl::ZeroDuration(), absl::Hours(1), &config.task_defaults.grace);
    section.Finish();
  }
  if (const auto node = map.Get("limits")) {
    MapReader section(*node);
    Limits& limits = config.limits;
    section.Bytes("message", &limits.message_bytes);
    section.Bytes("job", &limits.job_bytes);
    if (limits.message_bytes < (int64_t{1} << 16) || limits.message_bytes > (int64_t{64} << 20)) {
      section.Fail("message", "must be from 64Ki to 64Mi");
    }
    if (limits.job_bytes < 1024 || limits.job_bytes > limits.message_bytes) {
      section.Fail("job", "must be from 1Ki to the limit of a message");
    }
    section.Int("inboxFacts", 1, kMostCount, &limits.inbox_facts);
    section.Int("inboxOperator", 1, kMostCount, &limits.inbox_operator);
    section.Int("inboxSubmissions", 1, kMostCount, &limits.inbox_submissions);
    section.Int("commandsPerTurn", 1, kMostCount, &limits.commands_per_turn);
    section.Int("workUnitsPerTurn", 1, INT64_MAX / 2, &limits.work_units_per_turn);
    section.Finish();
  }
  if (const auto node = map.Get("retention")) {
    MapReader section(*node);
    section.Duration("finishedJobsAge", absl::Seconds(1), absl::Hours(24 * 3650),
                     &config.retention.finished_jobs_age);
    section.Int("finishedJobsCount", 0, kMostCount, &config.retention.finished_jobs_count);
    section.Finish();
  }
}

bool IsClusterName(const std::string& name) {
  if (name.size() > 63) return false;
  for (const char c : name) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '.' || c == '-';
    if (!ok) return false;
  }
  return true;
}

Value Duration(absl::Duration duration) {
  return Value::String(base::FormatExactDuration(duration));
}
Value Bytes(int64_t bytes) { return Value::String(base::FormatBytesExact(bytes)); }

}  // namespace

absl::StatusOr<BerthdConfig> ParseBerthdConfig(std::string_view text, const std::string& file) {
  BERTH_ASSIGN_OR_RETURN(const Value root, yaml::ParseYaml(text, file, kMostBytes));
  yaml::Problems problems(file);
  BerthdConfig config;
  MapReader map(yaml::Node(root, "", problems));
  map.String("dataDir", &config.data_dir);
  CheckAbsolute(map, "dataDir", config.data_dir);
  ReadAddresses(map, config);
  map.String("clusterName", &config.cluster_name);
  if (!IsClusterName(config.cluster_name)) {
    map.Fail("clusterName", "\"" + config.cluster_name + "\" must match [A-Za-z0-9_.-]{0,63}");
  }
  ReadLog(map, config.log);
  ReadTiming(map, config);
  ReadSections(map, config);
  map.Int("watchHistoryEpochs", 1, 10'000'000, &config.watch_history_epochs);
  ReadProfiles(map, config.profiles);
  map.NotHonoured("pluginDir", "plugins from files come later; those built in are always there");
  map.Finish();
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  return config;
}

absl::StatusOr<BerthdConfig> LoadBerthdConfig(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(const std::string text, base::ReadSmallFile(path, kMostBytes));
  return ParseBerthdConfig(text, path);
}

std::string WriteBerthdConfig(const BerthdConfig& config) {
  Value root;
  root.Set("dataDir", Value::String(config.data_dir));
  root.Set("socket", Value::String(config.socket));
  root.Set("socketMode", Value::String(ModeText(config.socket_mode)));
  root.Set("socketGroup", Value::String(config.socket_group));
  root.Set("listen", Value::String(config.listen));
  root.Set("insecure", Value::Bool(config.insecure));
  root.Set("httpListen", Value::String(config.http_listen));
  root.Set("clusterName", Value::String(config.cluster_name));
  root.Set("log", WriteLog(config.log));
  root.Set("heartbeatInterval", Duration(config.heartbeat_interval));
  root.Set("lease", Duration(config.lease));
  root.Set("lostAfter", Duration(config.lost_after));

  Value defaults;
  defaults.Set("cpu", Value::String(base::FormatCpuMilli(config.task_defaults.cpu_milli)));
  defaults.Set("memory", Bytes(config.task_defaults.memory_bytes));
  defaults.Set("grace", Duration(config.task_defaults.grace));
  root.Set("taskDefaults", std::move(defaults));

  Value limits;
  limits.Set("message", Bytes(config.limits.message_bytes));
  limits.Set("job", Bytes(config.limits.job_bytes));
  limits.Set("inboxFacts", Value::Int(config.limits.inbox_facts));
  limits.Set("inboxOperator", Value::Int(config.limits.inbox_operator));
  limits.Set("inboxSubmissions", Value::Int(config.limits.inbox_submissions));
  limits.Set("commandsPerTurn", Value::Int(config.limits.commands_per_turn));
  limits.Set("workUnitsPerTurn", Value::Int(config.limits.work_units_per_turn));
  root.Set("limits", std::move(limits));

  Value retention;
  retention.Set("finishedJobsAge", Duration(config.retention.finished_jobs_age));
  retention.Set("finishedJobsCount", Value::Int(config.retention.finished_jobs_count));
  root.Set("retention", std::move(retention));

  root.Set("watchHistoryEpochs", Value::Int(config.watch_history_epochs));
  root.Set("profiles", WriteProfiles(config.profiles));
  return yaml::WriteYaml(root);
}

std::vector<std::string> KeysNeedingRestart(const BerthdConfig& now, const BerthdConfig& next) {
  std::vector<std::string> keys;
  const auto compare = [&keys](const char* key, bool same) {
    if (!same) keys.emplace_back(key);
  };
  compare("dataDir", now.data_dir == next.data_dir);
  compare("socket", now.socket == next.socket);
  compare("socketMode", now.socket_mode == next.socket_mode);
  compare("socketGroup", now.socket_group == next.socket_group);
  compare("listen", now.listen == next.listen);
  compare("insecure", now.insecure == next.insecure);
  compare("httpListen", now.http_listen == next.http_listen);
  compare("clusterName", now.cluster_name == next.cluster_name);
  compare("heartbeatInterval", now.heartbeat_interval == next.heartbeat_interval);
  compare("lease", now.lease == next.lease);
  compare("lostAfter", now.lost_after == next.lost_after);
  compare("taskDefaults", now.task_defaults == next.task_defaults);
  compare("limits", now.limits == next.limits);
  compare("retention", now.retention == next.retention);
  compare("watchHistoryEpochs", now.watch_history_epochs == next.watch_history_epochs);
  return keys;
}

}  // namespace berth::config
