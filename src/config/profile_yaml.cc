#include "config/profile_yaml.h"

#include <set>
#include <string>
#include <utility>

namespace berth::config {
namespace {

using yaml::MapReader;
using yaml::Node;
using yaml::Value;

constexpr int64_t kMostWeight = 100;

PluginArgs ToArgs(const Value& value) {
  PluginArgs args;
  if (value.is_bool()) {
    args.value = value.as_bool();
  } else if (value.is_int()) {
    args.value = value.as_int();
  } else if (value.is_double()) {
    args.value = value.as_double();
  } else if (value.is_string()) {
    args.value = value.as_string();
  } else if (value.is_list()) {
    PluginArgs::List list;
    for (const Value& item : value.list()) list.push_back(ToArgs(item));
    args.value = std::move(list);
  } else if (value.is_map()) {
    PluginArgs::Map map;
    for (const auto& entry : value.map()) map.emplace(entry.key, ToArgs(entry.value));
    args.value = std::move(map);
  }
  return args;
}

Value FromArgs(const PluginArgs& args) {
  if (const bool* value = args.as_bool()) return Value::Bool(*value);
  if (const int64_t* value = args.as_int()) return Value::Int(*value);
  if (const double* value = args.as_double()) return Value::Double(*value);
  if (const std::string* value = args.as_string()) return Value::String(*value);
  if (const auto* list = args.as_list()) {
    Value::List items;
    for (const PluginArgs& item : *list) items.push_back(FromArgs(item));
    return Value::Sequence(std::move(items));
  }
  if (const auto* map = args.as_map()) {
    Value::Map entries;
    for (const auto& [key, item] : *map) {
      Value::Entry entry;
      entry.key = key;
      entry.value = FromArgs(item);
      entries.push_back(std::move(entry));
    }
    return Value::Mapping(std::move(entries));
  }
  return Value();
}

void ReadPluginSet(MapReader& parent, const char* key, bool has_weights, PluginSet& set) {
  const auto node = parent.Get(key);
  if (!node) return;
  MapReader map(*node);
  if (const auto enabled = map.Get("enabled")) {
    for (const Node& item : enabled->Items()) {
      MapReader plugin(item);
      PluginRef ref;
      if (const auto name = plugin.Require("name")) {
        if (const auto text = name->String()) ref.name = *text;
      }
      if (has_weights) plugin.Int("weight", 0, kMostWeight, &ref.weight);
      plugin.Finish();
      set.enabled.push_back(std::move(ref));
    }
  }
  if (const auto disabled = map.Get("disabled")) {
    for (const Node& item : disabled->Items()) {
      // Either `- name: X`, as in KubeSchedulerConfiguration, or just `- X`.
      if (!item.value().is_map()) {
        if (const auto text = item.String()) set.disabled.push_back(*text);
        continue;
      }
      MapReader plugin(item);
      if (const auto name = plugin.Require("name")) {
        if (const auto text = name->String()) set.disabled.push_back(*text);
      }
      plugin.Finish();
    }
  }
  map.Finish();
}

Value WritePluginSet(const PluginSet& set, bool has_weights) {
  Value map;
  Value::List enabled;
  for (const PluginRef& ref : set.enabled) {
    Value plugin;
    plugin.Set("name", Value::String(ref.name));
    if (has_weights) plugin.Set("weight", Value::Int(ref.weight));
    enabled.push_back(std::move(plugin));
  }
  Value::List disabled;
  for (const std::string& name : set.disabled) {
    Value plugin;
    plugin.Set("name", Value::String(name));
    disabled.push_back(std::move(plugin));
  }
  map.Set("enabled", Value::Sequence(std::move(enabled)));
  map.Set("disabled", Value::Sequence(std::move(disabled)));
  return map;
}

ProfileConfig ReadProfile(const Node& node) {
  ProfileConfig profile;
  MapReader map(node);
  map.String("name", &profile.name);
  if (profile.name.empty()) map.Fail("name", "is empty");
  if (const auto plugins = map.Get("plugins")) {
    MapReader points(*plugins);
    ReadPluginSet(points, "filter", false, profile.filter);
    ReadPluginSet(points, "score", true, profile.score);
    for (const char* later : {"queueSort", "preFilter", "postFilter", "reserve", "permit",
                              "preBind", "bind", "postBind"}) {
      points.NotHonoured(later, "only filter and score plugins can be chosen so far");
    }
    points.Finish();
  }
  if (const auto configs = map.Get("pluginConfig")) {
    std::set<std::string> names;
    for (const Node& item : configs->Items()) {
      MapReader entry(item);
      PluginConfig config;
      if (const auto name = entry.Require("name")) {
        if (const auto text = name->String()) config.name = *text;
      }
      if (!config.name.empty() && !names.insert(config.name).second) {
        entry.Fail("name", "\"" + config.name + "\" is there twice");
      }
      if (const auto args = entry.Get("args")) {
        if (!args->value().is_map() && !args->value().is_null()) {
          args->Fail("must be a map, not " + args->value().Describe());
        }
        config.args = ToArgs(args->value());
      }
      entry.Finish();
      profile.plugin_config.push_back(std::move(config));
    }
  }
  map.Finish();
  return profile;
}

}  // namespace

void ReadProfiles(MapReader& parent, std::vector<ProfileConfig>& profiles) {
  const auto node = parent.Get("profiles");
  if (!node) return;
  std::vector<ProfileConfig> read;
  std::set<std::string> names;
  for (const Node& item : node->Items()) {
    read.push_back(ReadProfile(item));
    if (!names.insert(read.back().name).second) {
      item.Fail("the name \"" + read.back().name + "\" is there twice");
    }
  }
  if (read.empty()) {
    node->Fail("is empty: leave it out for the default profile, or name at least one");
    return;
  }
  profiles = std::move(read);
}

Value WriteProfiles(const std::vector<ProfileConfig>& profiles) {
  Value::List list;
  for (const ProfileConfig& profile : profiles) {
    Value map;
    map.Set("name", Value::String(profile.name));
    Value plugins;
    plugins.Set("filter", WritePluginSet(profile.filter, false));
    plugins.Set("score", WritePluginSet(profile.score, true));
    map.Set("plugins", std::move(plugins));
    Value::List configs;
    for (const PluginConfig& config : profile.plugin_config) {
      Value entry;
      entry.Set("name", Value::String(config.name));
      entry.Set("args", FromArgs(config.args));
      configs.push_back(std::move(entry));
    }
    map.Set("pluginConfig", Value::Sequence(std::move(configs)));
    list.push_back(std::move(map));
  }
  return Value::Sequence(std::move(list));
}

}  // namespace berth::config
