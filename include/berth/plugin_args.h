// A plugin's arguments as they stand in the profile: a small tree of values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace berth {

// Null, bool, integer, floating point, string, list, or map with string keys.
struct PluginArgs {
  using List = std::vector<PluginArgs>;
  using Map = std::map<std::string, PluginArgs>;

  std::variant<std::monostate, bool, int64_t, double, std::string, List, Map> value;

  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  // Null when it is not of that type.
  const bool* as_bool() const { return std::get_if<bool>(&value); }
  const int64_t* as_int() const { return std::get_if<int64_t>(&value); }
  const double* as_double() const { return std::get_if<double>(&value); }
  const std::string* as_string() const { return std::get_if<std::string>(&value); }
  const List* as_list() const { return std::get_if<List>(&value); }
  const Map* as_map() const { return std::get_if<Map>(&value); }

  bool operator==(const PluginArgs&) const = default;
};

}  // namespace berth
