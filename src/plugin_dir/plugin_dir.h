// Plugins from shared objects: the `*.so` files of berthd's pluginDir.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/plugin_registry.h"

namespace berth::plugin_dir {

struct PluginDirOptions {
  std::string directory;  // absolute
  // Goes on without libraries that cannot be used, in place of refusing all.
  bool ignore_broken = false;
  // Plugins that there are already: a library may not bring one of that name.
  std::vector<std::string> taken;
};

struct LoadedLibrary {
  std::string path;
  std::vector<std::string> plugins;  // in the order in which it registered them
};

struct LoadedPlugins {
  std::vector<LoadedLibrary> libraries;
  // With ignore_broken: what was left out, and why ("pluginDir: /opt/p/a.so: is no Berth plugin").
  std::vector<std::string> ignored;
};

// Loads every `*.so` of the directory, in order of name, and registers the plugins that each
// brings. A library is registered whole or not at all.
//
// INVALID_ARGUMENT, unless broken ones are ignored: a line for each that cannot be used, which
// begins with the configuration's key, the file's path, the reason and what to do. What is refused:
// a directory or file that is not there or cannot be read, what is no shared object, lacks the
// entry point of berth/plugin_library.h, has another ABI version or fingerprint, throws or
// registers nothing when it is asked to register, or a name that is taken.
//
// What BERTH_PLUGINS made is refused for its fingerprint before any code of it runs. But who may
// write to the directory may do what berthd may. Libraries stay loaded until the process ends, for
// nobody knows who still has something of theirs.
//
// Threading: before there are other threads, and once in a process.
absl::StatusOr<LoadedPlugins> LoadPluginDir(const PluginDirOptions& options,
                                            PluginRegistrar& registrar);

}  // namespace berth::plugin_dir
