// Fields of messages from and to the entries of a map: what the parts of a job file have in common.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "base/quantities.h"
#include "yaml/decode.h"
#include "yaml/value.h"

namespace berth::jobfile {

// The enum that `names` lists, read from `node`.
template <typename Enum, std::size_t N, typename Set>
void ReadEnum(const std::optional<yaml::Node>& node, const std::array<std::string_view, N>& names,
              Set set) {
  if (!node) return;
  if (const auto position = node->OneOf(names)) set(static_cast<Enum>(*position + 1));
}

template <std::size_t N>
void WriteEnum(yaml::Value& map, const char* key, const std::array<std::string_view, N>& names,
               int number) {
  if (number < 1 || number > static_cast<int>(N)) return;
  map.Set(key, yaml::Value::String(std::string(names[static_cast<std::size_t>(number) - 1])));
}

inline void WriteText(yaml::Value& map, const char* key, const std::string& text) {
  if (!text.empty()) map.Set(key, yaml::Value::String(text));
}

inline void WriteCount(yaml::Value& map, const char* key, int64_t count) {
  if (count != 0) map.Set(key, yaml::Value::Int(count));
}

inline void WriteBytes(yaml::Value& map, const char* key, int64_t bytes) {
  map.Set(key, yaml::Value::String(base::FormatBytesExact(bytes)));
}

inline void WriteMs(yaml::Value& map, const char* key, int64_t ms) {
  map.Set(key, yaml::Value::String(base::FormatExactDuration(absl::Milliseconds(ms))));
}

inline void WriteList(yaml::Value& map, const char* key, yaml::Value::List items) {
  if (!items.empty()) map.Set(key, yaml::Value::Sequence(std::move(items)));
}

template <typename Strings>
void WriteStrings(yaml::Value& map, const char* key, const Strings& strings) {
  yaml::Value::List items;
  for (const std::string& text : strings) items.push_back(yaml::Value::String(text));
  WriteList(map, key, std::move(items));
}

// A map of the wire has no order; a file has the one of its keys.
template <typename StringMap>
void WriteStringMap(yaml::Value& map, const char* key, const StringMap& strings) {
  const std::map<std::string, std::string> ordered(strings.begin(), strings.end());
  if (ordered.empty()) return;
  yaml::Value entries;
  for (const auto& [name, text] : ordered) entries.Set(name, yaml::Value::String(text));
  map.Set(key, std::move(entries));
}

inline void WriteMap(yaml::Value& map, const char* key, yaml::Value entries) {
  if (entries.is_map() && !entries.map().empty()) map.Set(key, std::move(entries));
}

template <typename Target>
void ReadStringMap(yaml::MapReader& map, const char* key, Target* target) {
  std::map<std::string, std::string> strings;
  if (map.StringMap(key, &strings)) target->insert(strings.begin(), strings.end());
}

template <typename Target>
void ReadStrings(yaml::MapReader& map, const char* key, Target* target) {
  if (const auto node = map.Get(key)) {
    for (std::string& text : node->Strings()) target->Add(std::move(text));
  }
}

// Strings by a setter, as protobuf has no pointers to them.
template <typename Set>
void ReadText(yaml::MapReader& map, const char* key, Set set) {
  std::string text;
  if (map.String(key, &text)) set(std::move(text));
}

}  // namespace berth::jobfile
