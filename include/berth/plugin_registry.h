// Where plugins are made by name.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/task_mix.h"

namespace berth {

// What a plugin may ask of the cluster when it is made, to turn names in its arguments into ids.
class PluginContext {
 public:
  virtual ~PluginContext() = default;
  // Column of a resource: "cpu", "memory", "storage", "bandwidth" or an extended one.
  // RESOURCE_EXHAUSTED when the cluster has kMaxResources already.
  virtual absl::StatusOr<uint32_t> ResourceColumn(std::string_view name) = 0;
  virtual KindId DeviceKind(std::string_view name) = 0;
  virtual ModelId DeviceModel(std::string_view name) = 0;
  // A label of nodes, and all labels with this key; NodeColumns knows them by these ids, also when
  // no node has them yet.
  virtual LabelId Label(std::string_view key, std::string_view value) = 0;
  virtual KeyId LabelKey(std::string_view key) = 0;
  // What the last tasks that were submitted asked for of CPU and of devices of a kind, as a day's
  // count has it: at most kMostMixedTasks sorts, the most common first, those without such devices
  // last. Empty: too little is known. Plugins are made anew when it changes.
  virtual std::vector<MixedTask> TaskMix(KindId kind) = 0;
};

// Makes a plugin from its arguments (null or an empty map: defaults). INVALID_ARGUMENT begins with
// the path of a wrong argument and a colon ("scoringStrategy.type: must be ..."), so that the place
// of the arguments can be put before it, and says what it is and what is accepted; unknown
// arguments are refused.
using PluginFactory = std::function<absl::StatusOr<std::unique_ptr<Plugin>>(
    const PluginArgs& args, PluginContext& context)>;

// Takes plugins in by name. All that a library of plugins sees of the registry.
class PluginRegistrar {
 public:
  virtual ~PluginRegistrar() = default;
  virtual void Register(std::string_view name, PluginFactory factory) = 0;
};

// A plugin as those list theirs who bring several: berthd itself, or a library of plugins.
struct PluginEntry {
  std::string_view name;  // static storage
  absl::StatusOr<std::unique_ptr<Plugin>> (*make)(const PluginArgs& args, PluginContext& context);
};

inline void RegisterPlugins(std::span<const PluginEntry> plugins, PluginRegistrar& registrar) {
  for (const PluginEntry& plugin : plugins) registrar.Register(plugin.name, plugin.make);
}

// Names and factories, in the order of registration. A plain value, made once at start; no global
// registration, so that no linker can drop one.
//
// berthd's own: its functions are not in the SDK.
class PluginRegistry final : public PluginRegistrar {
 public:
  // Later registrations of a name replace earlier ones.
  void Register(std::string_view name, PluginFactory factory) override;

  // NOT_FOUND names the plugin and the nearest known name.
  absl::StatusOr<std::unique_ptr<Plugin>> Make(std::string_view name, const PluginArgs& args,
                                               PluginContext& context) const;
  std::vector<std::string> Names() const;

 private:
  struct Entry {
    std::string name;
    PluginFactory factory;
  };
  std::vector<Entry> entries_;
};

}  // namespace berth
