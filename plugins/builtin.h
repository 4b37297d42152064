// The plugins that are compiled in.
#pragma once

#include <span>

#include "berth/plugin_registry.h"

namespace berth::plugins {

// All of them, listed by hand: greppable, and no linker can drop one.
std::span<const PluginEntry> BuiltinPlugins();

inline void RegisterBuiltinPlugins(PluginRegistrar& registrar) {
  RegisterPlugins(BuiltinPlugins(), registrar);
}

}  // namespace berth::plugins
