// Reads a plugin's arguments strictly: what is not expected is refused with its path.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/plugin_args.h"

namespace berth::plugins {

// What a value is, for messages: `the integer 7`, `"Foo"`, `a list`, `nothing`.
std::string Describe(const PluginArgs& value);

// INVALID_ARGUMENT "PATH: WHAT".
absl::Status WrongArgument(std::string_view path, std::string_view what);

// One map of arguments, with its path from the plugin's own arguments on.
//
// Every error is INVALID_ARGUMENT and begins with the path of the value at fault
// ("scoringStrategy.resources[1].weight"), so that whoever compiles the profile can put the place
// of the plugin's arguments before it.
//
// Threading: a view; what it reads outlives it.
class ArgsReader {
 public:
  // Null reads as an empty map; anything else that is not a map is refused. Arguments other than
  // `accepted` are refused, with the accepted ones named.
  static absl::StatusOr<ArgsReader> Open(const PluginArgs& args, std::string path,
                                         std::initializer_list<std::string_view> accepted);

  // Null when the argument is absent or null.
  const PluginArgs* Find(std::string_view name) const;
  // "scoringStrategy.type".
  std::string Path(std::string_view name) const;

  // One of `choices`; the first of them when absent.
  absl::StatusOr<std::string> Choice(std::string_view name,
                                     std::initializer_list<std::string_view> choices) const;
  // A string that is not empty. Absent: refused.
  absl::StatusOr<std::string> Text(std::string_view name) const;
  // An integer from `least` to `most`. Absent: refused.
  absl::StatusOr<int64_t> Integer(std::string_view name, int64_t least, int64_t most) const;
  // As above, `fallback` when absent.
  absl::StatusOr<int64_t> IntegerOr(std::string_view name, int64_t least, int64_t most,
                                    int64_t fallback) const;
  // True or false; `fallback` when absent.
  absl::StatusOr<bool> FlagOr(std::string_view name, bool fallback) const;
  // A list of at least one and at most `most` items. Absent: null.
  absl::StatusOr<const PluginArgs::List*> List(std::string_view name, size_t most) const;

 private:
  ArgsReader(const PluginArgs::Map* map, std::string path) : map_(map), path_(std::move(path)) {}

  const PluginArgs::Map* map_;  // null: empty
  std::string path_;
};

// Refuses every argument: for plugins that have none.
absl::Status AcceptNoArguments(const PluginArgs& args);

}  // namespace berth::plugins
