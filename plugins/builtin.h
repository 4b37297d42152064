// The plugins that are compiled in.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

struct BuiltinPlugin {
  std::string_view name;
  absl::StatusOr<std::unique_ptr<Plugin>> (*make)(const PluginArgs& args, PluginContext& context);
};

// All of them, listed by hand: greppable, and no linker can drop one.
std::span<const BuiltinPlugin> BuiltinPlugins();

inline void RegisterBuiltinPlugins(PluginRegistry& registry) {
  for (const BuiltinPlugin& plugin : BuiltinPlugins()) {
    registry.Register(plugin.name, plugin.make);
  }
}

}  // namespace berth::plugins
