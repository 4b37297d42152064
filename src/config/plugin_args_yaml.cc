#include "config/plugin_args_yaml.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace berth::config {
namespace {

bool SaysSecret(std::string_view key) {
  std::string lower(key);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  constexpr std::array<std::string_view, 5> kWords = {"password", "secret", "token", "apikey",
                                                      "credential"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace

PluginArgs ToPluginArgs(const yaml::Value& value) {
  PluginArgs args;
  if (value.is_bool()) args.value = value.as_bool();
  if (value.is_int()) args.value = value.as_int();
  if (value.is_double()) args.value = value.as_double();
  if (value.is_string()) args.value = value.as_string();
  if (value.is_list()) {
    PluginArgs::List list;
    for (const yaml::Value& item : value.list()) list.push_back(ToPluginArgs(item));
    args.value = std::move(list);
  }
  if (value.is_map()) {
    PluginArgs::Map map;
    for (const yaml::Value::Entry& entry : value.map()) {
      map.emplace(entry.key, ToPluginArgs(entry.value));
    }
    args.value = std::move(map);
  }
  return args;
}

yaml::Value ToYaml(const PluginArgs& args) {
  if (const bool* const value = args.as_bool()) return yaml::Value::Bool(*value);
  if (const int64_t* const value = args.as_int()) return yaml::Value::Int(*value);
  if (const double* const value = args.as_double()) return yaml::Value::Double(*value);
  if (const std::string* const value = args.as_string()) return yaml::Value::String(*value);
  if (const PluginArgs::List* const list = args.as_list()) {
    yaml::Value::List items;
    for (const PluginArgs& item : *list) items.push_back(ToYaml(item));
    return yaml::Value::Sequence(std::move(items));
  }
  if (const PluginArgs::Map* const map = args.as_map()) {
    yaml::Value entries = yaml::Value::Mapping({});
    for (const auto& [key, value] : *map) {
      const bool mask = SaysSecret(key) && value.as_string() != nullptr;
      entries.Set(key, mask ? yaml::Value::String("(masked)") : ToYaml(value));
    }
    return entries;
  }
  return yaml::Value();
}

}  // namespace berth::config
