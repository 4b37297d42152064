#include "config/berthd_loader.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>

#include "base/name_rules.h"
#include "base/quantities.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/resources.h"
#include "config/fields.h"
#include "config/plugin_args_yaml.h"
#include "yaml/decode.h"
#include "yaml/parse.h"
#include "yaml/write.h"

namespace berth::config {
namespace {

using yaml::MapReader;
using yaml::Node;
using yaml::Value;

constexpr int64_t kMebibyte = int64_t{1} << 20;
constexpr int64_t kMaxWeight = 100;
constexpr absl::Duration kLongest = absl::Hours(36'500 * 24);

// ---- reading ----

// Permission bits as people write them, in octal: YAML would read 0660 as a decimal number.
void ReadMode(MapReader& map, uint32_t* mode) {
  const auto node = map.Get("socketMode");
  if (!node) return;
  const std::string& text = node->value().text();
  const bool octal = (text.size() == 4 || text.size() == 3) && text[0] == '0' &&
                     text.find_first_not_of("01234567") == std::string::npos;
  if (!node->value().is_scalar() || !octal) {
    node->Fail("expected permission bits in octal with a leading 0, as 0660, found " +
               node->value().Describe());
    return;
  }
  *mode = static_cast<uint32_t>(std::stoul(text, nullptr, 8));
}

// What agents are told, and when a silent node counts as away and as lost.
void ReadSilence(MapReader& map, BerthdConfig* config) {
  map.Duration("heartbeatInterval", absl::Seconds(1), absl::Minutes(5),
               &config->heartbeat_interval);
  map.Duration("lease", absl::Seconds(2), absl::Hours(1), &config->lease);
  map.Duration("lostAfter", absl::Seconds(2), kLongest, &config->lost_after);
  const auto text = [](absl::Duration duration) { return base::FormatExactDuration(duration); };
  // One heartbeat may get lost on its way.
  if (config->lease < 2 * config->heartbeat_interval) {
    map.Fail("lease", text(config->lease) + " is too short: at least two heartbeats (" +
                          text(2 * config->heartbeat_interval) + ")");
  }
  if (config->lost_after < config->lease) {
    map.Fail("lostAfter", text(config->lost_after) + " is shorter than lease (" +
                              text(config->lease) +
                              "): tasks would be given up on nodes that "
                              "still get new ones");
  }
}

void ReadBytesAtLeast(MapReader& map, std::string_view key, int64_t least, int64_t most,
                      int64_t* target) {
  int64_t bytes = 0;
  if (!map.Bytes(key, &bytes)) return;
  if (bytes < least || bytes > most) {
    map.Fail(key, base::FormatBytesExact(bytes) + " is out of range: from " +
                      base::FormatBytesExact(least) + " to " + base::FormatBytesExact(most));
    return;
  }
  *target = bytes;
}

void ReadTaskDefaults(const Node& node, TaskDefaults* defaults) {
  MapReader map(node);
  if (map.CpuMilli("cpu", &defaults->cpu_milli) && defaults->cpu_milli > kMaxQuanta) {
    map.Fail("cpu", base::FormatCpuMilli(defaults->cpu_milli) + " is out of range: at most " +
                        base::FormatCpuMilli(kMaxQuanta));
  }
  ReadBytesAtLeast(map, "memory", kMebibyte, int64_t{1} << 50, &defaults->memory_bytes);
  map.Duration("grace", absl::ZeroDuration(), absl::Hours(1), &defaults->grace);
  map.Finish();
}

void ReadLimits(const Node& node, Limits* limits) {
  MapReader map(node);
  // gRPC counts messages in int.
  ReadBytesAtLeast(map, "message", 64 << 10, int64_t{1} << 30, &limits->message_bytes);
  ReadBytesAtLeast(map, "job", 4 << 10, int64_t{1} << 30, &limits->job_bytes);
  map.Int("inboxFacts", 1, 100'000'000, &limits->inbox_facts);
  map.Int("inboxOperator", 1, 100'000'000, &limits->inbox_operator);
  map.Int("inboxSubmissions", 1, 100'000'000, &limits->inbox_submissions);
  map.Int("commandsPerTurn", 1, 100'000'000, &limits->commands_per_turn);
  map.Int("workUnitsPerTurn", 1'000, kMaxInt64, &limits->work_units_per_turn);
  if (limits->job_bytes > limits->message_bytes) {
    map.Fail("job", base::FormatBytesExact(limits->job_bytes) +
                        " is more than a message may have (" +
                        base::FormatBytesExact(limits->message_bytes) + ", limits.message)");
  }
  map.Finish();
}

void ReadRetention(const Node& node, Retention* retention) {
  MapReader map(node);
  map.Duration("finishedJobsAge", absl::Seconds(1), kLongest, &retention->finished_jobs_age);
  map.Int("finishedJobsCount", 0, 100'000'000, &retention->finished_jobs_count);
  ReadBytesAtLeast(map, "outputTails", 0, int64_t{1} << 50, &retention->output_tails_bytes);
  map.Finish();
}

std::string OwnSnapshots(const BerthdConfig& config) { return config.data_dir + "/snapshots"; }

void ReadSnapshots(const Node& node, Snapshots* snapshots) {
  MapReader map(node);
  ReadPath(map, "directory", false, &snapshots->directory);
  // "off" for people; the same as 0.
  if (const auto interval = map.Get("interval");
      interval && interval->value().is_scalar() && interval->value().text() == "off") {
    snapshots->interval = absl::ZeroDuration();
  } else {
    map.Duration("interval", absl::ZeroDuration(), kLongest, &snapshots->interval);
    if (snapshots->interval != absl::ZeroDuration() && snapshots->interval < absl::Seconds(1)) {
      map.Fail("interval", base::FormatExactDuration(snapshots->interval) +
                               " is too short: at least 1s, or off");
    }
  }
  map.Int("keep", 1, 10'000, &snapshots->keep);
  map.Finish();
}

// A plugin's name: required, and once in a list.
std::string ReadPluginName(MapReader& map, std::set<std::string>& seen) {
  const auto node = map.Require("name");
  if (!node) return "";
  const auto name = node->String();
  if (!name) return "";
  if (name->empty()) node->Fail("is empty");
  if (!name->empty() && !seen.insert(*name).second) {
    node->Fail("\"" + *name + "\" stands in this list twice");
  }
  return *name;
}

void ReadPluginSet(const Node& node, bool weighted, PluginSet* set) {
  MapReader map(node);
  if (const auto enabled = map.Get("enabled")) {
    std::set<std::string> seen;
    for (const Node& item : enabled->Items()) {
      MapReader fields(item);
      PluginRef plugin;
      plugin.name = ReadPluginName(fields, seen);
      if (weighted) {
        fields.Int("weight", 1, kMaxWeight, &plugin.weight);
      } else if (fields.Get("weight")) {
        fields.Fail("weight", "only scores have a weight; leave it out");
      }
      fields.Finish();
      set->enabled.push_back(std::move(plugin));
    }
  }
  if (const auto disabled = map.Get("disabled")) {
    std::set<std::string> seen;
    for (const Node& item : disabled->Items()) {
      MapReader fields(item);
      set->disabled.push_back(ReadPluginName(fields, seen));
      fields.Finish();
    }
  }
  map.Finish();
}

void ReadQueueSort(const Node& node, std::string* queue_sort) {
  PluginSet set;
  ReadPluginSet(node, false, &set);
  if (set.enabled.size() == 1) {
    *queue_sort = set.enabled[0].name;
  } else if (!set.enabled.empty()) {
    node.Fail("takes one plugin: a queue has one order");
  }
}

void ReadPlugins(const Node& node, ProfileConfig* profile) {
  MapReader map(node);
  if (const auto filter = map.Get("filter")) ReadPluginSet(*filter, false, &profile->filter);
  if (const auto score = map.Get("score")) ReadPluginSet(*score, true, &profile->score);
  if (const auto sort = map.Get("queueSort")) ReadQueueSort(*sort, &profile->queue_sort);
  for (const std::string_view point : {"preFilter", "reserve"}) {
    map.NotHonoured(point, "a plugin that is enabled at filter takes part there by itself");
  }
  for (const std::string_view point :
       {"multiPoint", "postFilter", "permit", "preBind", "bind", "postBind"}) {
    map.NotHonoured(point, "plugins are chosen at queueSort, filter and score");
  }
  map.Finish();
}

void ReadPluginConfig(const Node& node, std::vector<PluginConfig>* all) {
  std::set<std::string> seen;
  for (const Node& item : node.Items()) {
    MapReader fields(item);
    PluginConfig config;
    config.name = ReadPluginName(fields, seen);
    if (const auto args = fields.Require("args")) {
      if (args->value().is_map() || args->value().is_null()) {
        config.args = ToPluginArgs(args->value());
        // "No arguments" is a map without entries to whoever reads them.
        if (config.args.is_null()) config.args.value = PluginArgs::Map();
      } else {
        args->Fail("expected a map, found " + args->value().Describe());
      }
    }
    fields.Finish();
    all->push_back(std::move(config));
  }
}

// Says what is wrong with a name, if anything is.
bool CheckName(MapReader& map, const char* key, const base::NameRule& rule,
               const std::string& name) {
  if (rule.matches(name)) return true;
  map.Fail(key, "\"" + name + "\" is not a name: it must match " + rule.pattern);
  return false;
}

void ReadClusterResources(const Node& node, std::vector<ClusterResource>* resources) {
  std::set<std::string> seen;
  for (const Node& item : node.Items()) {
    MapReader map(item);
    ClusterResource resource;
    if (map.Require("name") && map.String("name", &resource.name)) {
      const std::string& name = resource.name;
      const bool is_name = CheckName(map, "name", base::kExtendedResource, name);
      if (name == "cpu" || name == "memory" || name == "storage" || name == "bandwidth") {
        map.Fail("name", "\"" + name + "\" is what nodes have");
      } else if (is_name && !seen.insert(name).second) {
        map.Fail("name", "\"" + name + "\" is the name of two resources");
      }
    }
    if (map.Require("capacity")) map.Int("capacity", 0, kMaxQuanta, &resource.capacity);
    if (map.Get("topologyKey") && map.String("topologyKey", &resource.topology_key)) {
      if (resource.topology_key.empty()) {
        map.Fail("topologyKey", "is empty: leave it out for what the whole cluster has once");
      } else {
        CheckName(map, "topologyKey", base::kLabelKey, resource.topology_key);
      }
    }
    map.Finish();
    resources->push_back(std::move(resource));
  }
}

constexpr std::string_view kFillPolicies[] = {"off", "suggest", "apply"};

void ReadFill(MapReader& map, std::string* fill) {
  const auto node = map.Get("fill");
  if (!node) return;
  if (const auto choice = node->OneOf(kFillPolicies)) *fill = kFillPolicies[*choice];
}

void ReadFeatures(const Node& node, BerthdConfig* config) {
  MapReader map(node);
  map.Bool("enabled", &config->reads_features);
  FeaturesConfig& features = config->features;
  ReadFill(map, &features.fill);
  if (const auto namespaces = map.Get("namespaces")) {
    for (const Node& item : namespaces->Items()) {
      MapReader entry(item);
      std::string name;
      if (entry.Require("name") && entry.String("name", &name)) {
        CheckName(entry, "name", base::kNamespaceName, name);
      }
      std::string fill = features.fill;
      if (entry.Require("fill")) ReadFill(entry, &fill);
      if (!features.fill_by_namespace.emplace(name, fill).second) {
        entry.Fail("name", "\"" + name + "\" is there twice");
      }
      entry.Finish();
    }
  }
  ReadPath(map, "rules", true, &features.rules);
  map.Int("historyGroups", 1, 10'000'000, &features.history_groups);
  map.NotHonoured("model", "jobs are read by tables and by history alone so far");
  map.Finish();
}

Value WriteFeatures(const BerthdConfig& config) {
  Value map;
  map.Set("enabled", Value::Bool(config.reads_features));
  SetText(map, "fill", config.features.fill);
  Value::List namespaces;
  for (const auto& [name, fill] : config.features.fill_by_namespace) {
    Value entry;
    SetText(entry, "name", name);
    SetText(entry, "fill", fill);
    namespaces.push_back(std::move(entry));
  }
  map.Set("namespaces", Value::Sequence(std::move(namespaces)));
  SetText(map, "rules", config.features.rules);
  map.Set("historyGroups", Value::Int(config.features.history_groups));
  return map;
}

void ReadProfiles(const Node& node, std::vector<ProfileConfig>* profiles) {
  profiles->clear();
  std::set<std::string> seen;
  for (const Node& item : node.Items()) {
    MapReader map(item);
    ProfileConfig profile;
    if (map.Require("name") && map.String("name", &profile.name)) {
      if (CheckName(map, "name", base::kJobName, profile.name) &&
          !seen.insert(profile.name).second) {
        map.Fail("name", "\"" + profile.name + "\" is the name of two profiles");
      }
    }
    if (const auto plugins = map.Get("plugins")) ReadPlugins(*plugins, &profile);
    if (const auto config = map.Get("pluginConfig")) {
      ReadPluginConfig(*config, &profile.plugin_config);
    }
    map.String("tie", &profile.tie);
    map.Finish();
    profiles->push_back(std::move(profile));
  }
  if (profiles->empty()) {
    if (node.value().is_list()) node.Fail("is empty: leave it out for the default profile");
    profiles->push_back(ProfileConfig());
  }
}

void ReadBerthd(const Node& root, BerthdConfig* config) {
  MapReader map(root);
  ReadPath(map, "dataDir", false, &config->data_dir);
  ReadPath(map, "socket", false, &config->socket);
  if (config->socket.size() > kMaxSocketPath) {
    map.Fail("socket", "has " + std::to_string(config->socket.size()) + " bytes; the path of a " +
                           "socket may have " + std::to_string(kMaxSocketPath));
  }
  ReadMode(map, &config->socket_mode);
  map.String("socketGroup", &config->socket_group);
  ReadLoopback(map, "listen", "others need TLS, which is not honoured yet", &config->listen);
  map.Bool("insecure", &config->insecure);
  map.Bool("insecureAgents", &config->insecure_agents);
  if (!config->listen.empty() && !config->insecure) {
    map.Fail("listen",
             "is TCP without TLS, which is not honoured yet: add `insecure: true` to have "
             "it on loopback, or leave it out and use the socket");
  }
  if (config->insecure_agents && !config->insecure) {
    map.Fail("insecureAgents", "takes agents on `listen` without TLS: it needs `insecure: true`");
  }
  ReadLoopback(map, "httpListen",
               "pages without TLS and authentication stay on this machine; let Prometheus scrape "
               "them through something that has both",
               &config->http_listen);
  if (map.String("clusterName", &config->cluster_name) && !config->cluster_name.empty()) {
    CheckName(map, "clusterName", base::kJobName, config->cluster_name);
  }
  ReadLog(map, &config->log);
  ReadSilence(map, config);
  if (const auto node = map.Get("taskDefaults")) ReadTaskDefaults(*node, &config->task_defaults);
  if (const auto node = map.Get("limits")) ReadLimits(*node, &config->limits);
  if (const auto node = map.Get("retention")) ReadRetention(*node, &config->retention);
  config->snapshots.directory = OwnSnapshots(*config);
  if (const auto node = map.Get("snapshots")) ReadSnapshots(*node, &config->snapshots);
  map.Int("watchHistoryEpochs", 1, 1'000'000'000, &config->watch_history_epochs);
  map.Int("checkPlacements", 0, 1'000'000'000, &config->check_placements);
  if (const auto node = map.Get("features")) ReadFeatures(*node, config);
  ReadPath(map, "pluginDir", true, &config->plugin_dir);
  map.Bool("ignoreBrokenPlugins", &config->ignore_broken_plugins);
  if (const auto node = map.Get("clusterResources")) {
    ReadClusterResources(*node, &config->cluster_resources);
  }
  if (const auto node = map.Get("profiles")) ReadProfiles(*node, &config->profiles);
  map.NotHonoured("tls", "use the Unix socket, or TCP on loopback with `insecure: true`");
  map.NotHonoured("queues", "there is one queue, \"default\"");
  map.NotHonoured("audit", "audit records are kept in the store");
  map.Finish();
}

// ---- writing ----

void SetDuration(Value& map, const char* key, absl::Duration duration) {
  map.Set(key, Value::String(base::FormatExactDuration(duration)));
}

std::string OctalText(uint32_t mode) {
  std::string text = "0";
  for (const int shift : {6, 3, 0}) text += static_cast<char>('0' + ((mode >> shift) & 7));
  return text;
}

Value NamesOf(const std::vector<std::string>& names) {
  Value::List items;
  for (const std::string& name : names) {
    Value item;
    SetText(item, "name", name);
    items.push_back(std::move(item));
  }
  return Value::Sequence(std::move(items));
}

Value WritePluginSet(const PluginSet& set, bool weighted) {
  Value::List enabled;
  for (const PluginRef& plugin : set.enabled) {
    Value item;
    SetText(item, "name", plugin.name);
    if (weighted) item.Set("weight", Value::Int(plugin.weight));
    enabled.push_back(std::move(item));
  }
  Value map;
  map.Set("enabled", Value::Sequence(std::move(enabled)));
  map.Set("disabled", NamesOf(set.disabled));
  return map;
}

Value WriteProfile(const ProfileConfig& profile) {
  Value map;
  SetText(map, "name", profile.name);
  Value sort;
  sort.Set("enabled", NamesOf({profile.queue_sort}));
  Value plugins;
  plugins.Set("queueSort", std::move(sort));
  plugins.Set("filter", WritePluginSet(profile.filter, false));
  plugins.Set("score", WritePluginSet(profile.score, true));
  map.Set("plugins", std::move(plugins));
  Value::List configs;
  for (const PluginConfig& config : profile.plugin_config) {
    Value item;
    SetText(item, "name", config.name);
    item.Set("args", ToYaml(config.args));
    configs.push_back(std::move(item));
  }
  map.Set("pluginConfig", Value::Sequence(std::move(configs)));
  SetText(map, "tie", profile.tie);
  return map;
}

}  // namespace

absl::StatusOr<LoadedBerthdConfig> LoadBerthdConfig(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(const std::string text, base::ReadSmallFile(path, kMaxConfigBytes));
  return ParseBerthdConfig(text, path);
}

absl::StatusOr<LoadedBerthdConfig> ParseBerthdConfig(std::string_view text,
                                                     const std::string& file) {
  BERTH_ASSIGN_OR_RETURN(const Value root, yaml::ParseYaml(text, file, kMaxConfigBytes));
  yaml::Problems problems(file);
  LoadedBerthdConfig loaded;
  ReadBerthd(Node(root, "", problems), &loaded.config);
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  loaded.places = yaml::Places(file, root);
  return loaded;
}

std::string FormatBerthdConfig(const BerthdConfig& config) {
  Value map;
  SetText(map, "dataDir", config.data_dir);
  SetText(map, "socket", config.socket);
  SetText(map, "socketMode", OctalText(config.socket_mode));
  SetText(map, "socketGroup", config.socket_group);
  SetText(map, "listen", config.listen);
  map.Set("insecure", Value::Bool(config.insecure));
  map.Set("insecureAgents", Value::Bool(config.insecure_agents));
  SetText(map, "httpListen", config.http_listen);
  SetText(map, "clusterName", config.cluster_name);
  map.Set("log", WriteLog(config.log));
  SetDuration(map, "heartbeatInterval", config.heartbeat_interval);
  SetDuration(map, "lease", config.lease);
  SetDuration(map, "lostAfter", config.lost_after);
  Value defaults;
  defaults.Set("cpu",
               yaml::ResolvePlainScalar(base::FormatCpuMilli(config.task_defaults.cpu_milli)));
  SetBytes(defaults, "memory", config.task_defaults.memory_bytes);
  SetDuration(defaults, "grace", config.task_defaults.grace);
  map.Set("taskDefaults", std::move(defaults));
  Value limits;
  SetBytes(limits, "message", config.limits.message_bytes);
  SetBytes(limits, "job", config.limits.job_bytes);
  limits.Set("inboxFacts", Value::Int(config.limits.inbox_facts));
  limits.Set("inboxOperator", Value::Int(config.limits.inbox_operator));
  limits.Set("inboxSubmissions", Value::Int(config.limits.inbox_submissions));
  limits.Set("commandsPerTurn", Value::Int(config.limits.commands_per_turn));
  limits.Set("workUnitsPerTurn", Value::Int(config.limits.work_units_per_turn));
  map.Set("limits", std::move(limits));
  Value retention;
  SetDuration(retention, "finishedJobsAge", config.retention.finished_jobs_age);
  retention.Set("finishedJobsCount", Value::Int(config.retention.finished_jobs_count));
  SetBytes(retention, "outputTails", config.retention.output_tails_bytes);
  map.Set("retention", std::move(retention));
  Value snapshots;
  SetText(snapshots, "directory", config.snapshots.directory);
  if (config.snapshots.interval == absl::ZeroDuration()) {
    SetText(snapshots, "interval", "off");
  } else {
    SetDuration(snapshots, "interval", config.snapshots.interval);
  }
  snapshots.Set("keep", Value::Int(config.snapshots.keep));
  map.Set("snapshots", std::move(snapshots));
  map.Set("watchHistoryEpochs", Value::Int(config.watch_history_epochs));
  map.Set("checkPlacements", Value::Int(config.check_placements));
  map.Set("features", WriteFeatures(config));
  SetText(map, "pluginDir", config.plugin_dir);
  map.Set("ignoreBrokenPlugins", Value::Bool(config.ignore_broken_plugins));
  Value::List resources;
  for (const ClusterResource& resource : config.cluster_resources) {
    Value entry;
    SetText(entry, "name", resource.name);
    entry.Set("capacity", Value::Int(resource.capacity));
    if (!resource.topology_key.empty()) SetText(entry, "topologyKey", resource.topology_key);
    resources.push_back(std::move(entry));
  }
  map.Set("clusterResources", Value::Sequence(std::move(resources)));
  Value::List profiles;
  for (const ProfileConfig& profile : config.profiles) profiles.push_back(WriteProfile(profile));
  map.Set("profiles", Value::Sequence(std::move(profiles)));
  return yaml::WriteYaml(map);
}

ReloadDiff CompareForReload(const BerthdConfig& running, const BerthdConfig& reloaded) {
  ReloadDiff diff;
  const auto restart = [&](const char* key, bool same) {
    if (!same) diff.needs_restart.emplace_back(key);
  };
  const auto at_once = [&](const char* key, bool same) {
    if (!same) diff.at_once.emplace_back(key);
  };
  restart("dataDir", running.data_dir == reloaded.data_dir);
  restart("socket", running.socket == reloaded.socket);
  restart("socketMode", running.socket_mode == reloaded.socket_mode);
  restart("socketGroup", running.socket_group == reloaded.socket_group);
  restart("listen", running.listen == reloaded.listen);
  restart("insecure", running.insecure == reloaded.insecure);
  restart("insecureAgents", running.insecure_agents == reloaded.insecure_agents);
  restart("httpListen", running.http_listen == reloaded.http_listen);
  restart("clusterName", running.cluster_name == reloaded.cluster_name);
  at_once("log.level", running.log.level == reloaded.log.level);
  at_once("log.format", running.log.format == reloaded.log.format);
  restart("heartbeatInterval", running.heartbeat_interval == reloaded.heartbeat_interval);
  restart("lease", running.lease == reloaded.lease);
  restart("lostAfter", running.lost_after == reloaded.lost_after);
  restart("taskDefaults", running.task_defaults == reloaded.task_defaults);
  restart("limits", running.limits == reloaded.limits);
  restart("retention", running.retention == reloaded.retention);
  // A directory in dataDir that has moved with it is told by that.
  Snapshots moved = running.snapshots;
  if (moved.directory == OwnSnapshots(running)) moved.directory = OwnSnapshots(reloaded);
  restart("snapshots", moved == reloaded.snapshots);
  restart("watchHistoryEpochs", running.watch_history_epochs == reloaded.watch_history_epochs);
  restart("checkPlacements", running.check_placements == reloaded.check_placements);
  restart("features", running.reads_features == reloaded.reads_features &&
                          running.features == reloaded.features);
  restart("pluginDir", running.plugin_dir == reloaded.plugin_dir);
  restart("ignoreBrokenPlugins", running.ignore_broken_plugins == reloaded.ignore_broken_plugins);
  // Amounts at once; which there are, and by what label, is read at the start.
  const bool same_resources =
      std::equal(running.cluster_resources.begin(), running.cluster_resources.end(),
                 reloaded.cluster_resources.begin(), reloaded.cluster_resources.end(),
                 [](const ClusterResource& a, const ClusterResource& b) {
                   return a.name == b.name && a.topology_key == b.topology_key;
                 });
  restart("clusterResources", same_resources);
  diff.takes_cluster_resources = same_resources;
  if (same_resources) {
    at_once("clusterResources.capacity", running.cluster_resources == reloaded.cluster_resources);
  }
  at_once("profiles", running.profiles == reloaded.profiles);
  return diff;
}

}  // namespace berth::config
