// Plugins' arguments for tests.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "berth/plugin_args.h"

namespace berth::testing {

inline PluginArgs Arg(int64_t value) { return PluginArgs{value}; }
inline PluginArgs Arg(int value) { return PluginArgs{int64_t{value}}; }
inline PluginArgs Arg(double value) { return PluginArgs{value}; }
inline PluginArgs Arg(bool value) { return PluginArgs{value}; }
inline PluginArgs Arg(std::string value) { return PluginArgs{std::move(value)}; }
inline PluginArgs Arg(const char* value) { return PluginArgs{std::string(value)}; }
inline PluginArgs ArgList(PluginArgs::List items) { return PluginArgs{std::move(items)}; }
inline PluginArgs ArgMap(PluginArgs::Map entries) { return PluginArgs{std::move(entries)}; }

// {name: NAME, weight: WEIGHT}, an entry of `resources`.
inline PluginArgs ArgWeight(const char* name, int weight) {
  return ArgMap({{"name", Arg(name)}, {"weight", Arg(weight)}});
}

}  // namespace berth::testing
