#include "plugin_dir/plugin_dir.h"

#include <dlfcn.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/plugin_library.h"
#include "plugin_dir/shared_object.h"

namespace berth::plugin_dir {
namespace {

constexpr char kTakeOut[] = ", or take it out of the directory";
constexpr char kBuildAnew[] = "; build it anew, with berthd's compiler and against berthd's SDK";

absl::Status Broken(const std::string& why) { return absl::InvalidArgumentError(why); }

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// The paths of the directory's libraries, in order of name.
absl::StatusOr<std::vector<std::string>> FindLibraries(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> paths;
  std::filesystem::directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    // Hidden: what is on its way here under a name of its copier's.
    if (name.ends_with(".so") && !name.starts_with('.')) paths.push_back(entries->path().string());
  }
  if (error) {
    return Broken("cannot be read: " + error.message() +
                  "; make it, readable for berthd's user, or leave pluginDir out");
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// What went wrong in the loader of libc, without the path with which it begins.
std::string LoaderError(const std::string& path) {
  const char* const message = dlerror();
  const std::string text = message == nullptr ? "for no reason that is known" : message;
  return text.starts_with(path + ": ") ? text.substr(path.size() + 2) : text;
}

absl::Status CheckFingerprint(const std::string& theirs) {
  const std::string own = BERTH_PLUGIN_FINGERPRINT;
  if (theirs == own) return absl::OkStatus();
  return Broken("was built otherwise than berthd: its fingerprint is " + Quoted(theirs) +
                ", and berthd's " + Quoted(own) + kBuildAnew);
}

absl::StatusOr<PluginLibraryEntry> Open(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(const auto section, ReadSection(path, BERTH_PLUGIN_SECTION));
  // Up to the 0 at its end.
  if (section) BERTH_RETURN_IF_ERROR(CheckFingerprint(section->c_str()));
  // At once: a function that is missing is to be found now, and not in the middle of a placement.
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return Broken("cannot be loaded: " + LoaderError(path) +
                  "; `ldd -r` shows what it needs: install that, or link it");
  }
  void* const entry = dlsym(handle, kPluginLibraryEntry);
  if (entry == nullptr) {
    return Broken("is no Berth plugin: it has no " + std::string(kPluginLibraryEntry) +
                  "; write BERTH_PLUGINS(...) in one of its files" + kTakeOut);
  }
  return reinterpret_cast<PluginLibraryEntry>(entry);
}

// Reads no further than what is right so far lets it.
absl::Status CheckFits(const PluginLibrary* library) {
  if (library == nullptr || library->magic != kPluginLibraryMagic) {
    return Broken("is no Berth plugin: what its " + std::string(kPluginLibraryEntry) +
                  " returns is something else; use BERTH_PLUGINS(...)" + kTakeOut);
  }
  if (library->abi_version != kPluginAbiVersion) {
    return Broken("has version " + std::to_string(library->abi_version) +
                  " of the plugin ABI, and berthd has " + std::to_string(kPluginAbiVersion) +
                  kBuildAnew);
  }
  BERTH_RETURN_IF_ERROR(
      CheckFingerprint(library->fingerprint == nullptr ? "" : library->fingerprint));
  if (library->register_plugins == nullptr) {
    return Broken("has no function that registers its plugins; use BERTH_PLUGINS(...)");
  }
  return absl::OkStatus();
}

using Owners = std::map<std::string, std::string, std::less<>>;  // of plugins, by name

// Holds what a library registers until it is known that all of it can be.
class Collector final : public PluginRegistrar {
 public:
  explicit Collector(const Owners& owners) : owners_(owners) {}

  void Register(std::string_view name, PluginFactory factory) override {
    const auto owner = owners_.find(name);
    if (name.empty() || !factory) {
      Refuse("registers " +
             (name.empty() ? "a plugin without a name" : Quoted(name) + " without a factory") +
             "; give it one");
    } else if (owner != owners_.end()) {
      Refuse("registers " + Quoted(name) + ", a name that exists already: it is that of " +
             owner->second + "; name it otherwise" + kTakeOut);
    } else if (std::any_of(plugins_.begin(), plugins_.end(),
                           [&](const auto& plugin) { return plugin.first == name; })) {
      Refuse("registers " + Quoted(name) + " twice; name one of them otherwise");
    } else {
      plugins_.emplace_back(name, std::move(factory));
    }
  }

  // The first thing that was wrong.
  absl::StatusOr<std::vector<std::pair<std::string, PluginFactory>>> Take() && {
    if (plugins_.empty()) Refuse(std::string("registers no plugin; register one") + kTakeOut);
    if (!status_.ok()) return status_;
    return std::move(plugins_);
  }

 private:
  void Refuse(const std::string& why) { status_.Update(Broken(why)); }

  const Owners& owners_;
  absl::Status status_;
  std::vector<std::pair<std::string, PluginFactory>> plugins_;
};

// Loads one library and registers its plugins; their names.
absl::StatusOr<std::vector<std::string>> LoadLibrary(const std::string& path, Owners& owners,
                                                     PluginRegistrar& registrar) {
  BERTH_ASSIGN_OR_RETURN(const PluginLibraryEntry entry, Open(path));
  Collector collector(owners);
  // Somebody else's code: what it throws must not take the daemon along.
  std::optional<std::string> thrown;
  try {
    const PluginLibrary* const library = entry();
    BERTH_RETURN_IF_ERROR(CheckFits(library));
    library->register_plugins(collector);
  } catch (const std::exception& error) {
    thrown = error.what();
  } catch (...) {
    thrown = "something that is no std::exception";
  }
  if (thrown) {
    return Broken("threw when it was to register its plugins: " + *thrown + "; mend it" + kTakeOut);
  }
  BERTH_ASSIGN_OR_RETURN(auto plugins, std::move(collector).Take());
  std::vector<std::string> names;
  for (auto& [name, factory] : plugins) {
    owners[name] = path;
    names.push_back(name);
    registrar.Register(name, std::move(factory));
  }
  return names;
}

}  // namespace

absl::StatusOr<LoadedPlugins> LoadPluginDir(const PluginDirOptions& options,
                                            PluginRegistrar& registrar) {
  LoadedPlugins loaded;
  const auto leave_out = [&](const std::string& path, const absl::Status& status) {
    loaded.ignored.push_back("pluginDir: " + path + ": " + base::S(status.message()));
  };
  const auto paths = FindLibraries(options.directory);
  if (!paths.ok()) leave_out(options.directory, paths.status());
  Owners owners;
  for (const std::string& name : options.taken) owners[name] = "a plugin of berthd's own";
  for (const std::string& path : paths.value_or(std::vector<std::string>())) {
    auto plugins = LoadLibrary(path, owners, registrar);
    if (plugins.ok()) {
      loaded.libraries.push_back({path, *std::move(plugins)});
    } else {
      leave_out(path, plugins.status());
    }
  }
  if (loaded.ignored.empty() || options.ignore_broken) return loaded;
  std::string lines;
  for (const std::string& line : loaded.ignored) lines += (lines.empty() ? "" : "\n") + line;
  return absl::InvalidArgumentError(lines);
}

}  // namespace berth::plugin_dir
