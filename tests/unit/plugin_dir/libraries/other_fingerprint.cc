// Of another compiler.
#include "berth/plugin_library.h"

extern "C" const berth::PluginLibrary* berth_plugin_library() {
  static constexpr berth::PluginLibrary kLibrary = {
      .fingerprint = "g++ 2.95", .register_plugins = [](berth::PluginRegistrar&) {}};
  return &kLibrary;
}
