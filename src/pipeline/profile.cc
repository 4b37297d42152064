#include "pipeline/profile.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <map>

#include "base/did_you_mean.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/bind.h"
#include "berth/permit.h"
#include "berth/post_filter.h"
#include "engine/run_plugins.h"

namespace berth::pipeline {
namespace {

absl::Status Wrong(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(path + ": " + what);
}

std::string Quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

std::string Item(const std::string& path, size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

// Extension points whose contracts are in the SDK, and that nobody calls yet; null: it has none.
const char* PointOfALaterVersion(const Plugin& plugin) {
  if (dynamic_cast<const PostFilterPlugin*>(&plugin) != nullptr) return "PostFilterPlugin";
  if (dynamic_cast<const PermitPlugin*>(&plugin) != nullptr) return "PermitPlugin";
  if (dynamic_cast<const PreBindPlugin*>(&plugin) != nullptr) return "PreBindPlugin";
  if (dynamic_cast<const BindPlugin*>(&plugin) != nullptr) return "BindPlugin";
  if (dynamic_cast<const PostBindPlugin*>(&plugin) != nullptr) return "PostBindPlugin";
  return nullptr;
}

// Makes each plugin of a profile once, with its arguments.
class PluginMaker {
 public:
  PluginMaker(const ProfileOptions& options, std::string path, const PluginRegistry& registry,
              PluginContext& context)
      : options_(options),
        path_(std::move(path)),
        registry_(registry),
        names_(registry.Names()),
        context_(context) {}

  bool Knows(std::string_view name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  absl::Status Unknown(const std::string& path, std::string_view name) const {
    const std::vector<std::string_view> known(names_.begin(), names_.end());
    return Wrong(path, "no plugin is named " + Quoted(name) + base::DidYouMean(name, known));
  }

  // Makes every plugin that has arguments, so that a wrong one is found whether or not the plugin
  // is enabled.
  absl::Status MakeConfigured() {
    for (size_t i = 0; i < options_.plugin_config.size(); ++i) {
      const auto& [name, args] = options_.plugin_config[i];
      const std::string path = Item(path_ + ".pluginConfig", i);
      if (!Knows(name)) return Unknown(path + ".name", name);
      if (made_.contains(name)) {
        return Wrong(path + ".name", Quoted(name) + " has its arguments above already");
      }
      if (!args.is_null() && args.as_map() == nullptr) {
        return Wrong(path + ".args", "must be a map of the plugin's arguments");
      }
      BERTH_ASSIGN_OR_RETURN(auto made, Make(name, args, path + ".args"));
      if (!made.ok()) {
        return absl::Status(made.status().code(),
                            path + ".args." + base::S(made.status().message()));
      }
      made_[name] = *std::move(made);
    }
    return absl::OkStatus();
  }

  // `path`: where the name stands. The plugin stays here until TakeAll.
  absl::StatusOr<Plugin*> Get(const std::string& path, const std::string& name) {
    if (const auto it = made_.find(name); it != made_.end()) return it->second.get();
    if (!Knows(name)) return Unknown(path, name);
    BERTH_ASSIGN_OR_RETURN(auto made, Make(name, PluginArgs{}, path));
    if (!made.ok()) return Wrong(path, base::S(made.status().message()));
    return (made_[name] = *std::move(made)).get();
  }

  std::vector<std::unique_ptr<Plugin>> TakeAll() {
    std::vector<std::unique_ptr<Plugin>> all;
    for (auto& [name, plugin] : made_) all.push_back(std::move(plugin));
    return all;
  }

 private:
  using Made = absl::StatusOr<std::unique_ptr<Plugin>>;

  // What the factory answers. A factory may be somebody else's code: one that throws, or makes
  // nothing, must not take the daemon along, and is said to at `path`.
  absl::StatusOr<Made> Make(std::string_view name, const PluginArgs& args,
                            const std::string& path) {
    std::string why = "its factory made nothing";
    try {
      Made made = registry_.Make(name, args, context_);
      if (!made.ok()) return made;
      if (*made != nullptr) {
        // Errors, metrics and explanations know it by what it calls itself.
        const char* later = PointOfALaterVersion(**made);
        if ((*made)->name() == name && later == nullptr) return made;
        why = later == nullptr ? "it calls itself " + Quoted(std::string((*made)->name()))
                               : std::string("it is a ") + later +
                                     ", which this version of berthd does not call";
      }
    } catch (const std::exception& error) {
      why = std::string("its factory threw: ") + error.what();
    } catch (...) {
      why = "its factory threw something";
    }
    return Wrong(path, Quoted(name) + " cannot be made: " + why + "; mend the plugin");
  }

  const ProfileOptions& options_;
  const std::string path_;
  const PluginRegistry& registry_;
  const std::vector<std::string> names_;
  PluginContext& context_;
  std::map<std::string, std::unique_ptr<Plugin>> made_;
};

// A plugin at an extension point, and where its name stands.
struct Enabled {
  std::string name;
  int64_t weight = 1;
  std::string path;
};

// Lays what the file says at one extension point over the defaults; see ProfileOptions.
absl::StatusOr<std::vector<Enabled>> Merge(const std::vector<WeightedName>& defaults,
                                           const std::vector<WeightedName>& enabled,
                                           const std::vector<std::string>& disabled,
                                           const std::string& path, const PluginMaker& maker) {
  for (size_t i = 0; i < disabled.size(); ++i) {
    if (disabled[i] == "*" || maker.Knows(disabled[i])) continue;
    return maker.Unknown(Item(path + ".disabled", i), disabled[i]);
  }
  const auto is_disabled = [&](const std::string& name) {
    return std::any_of(disabled.begin(), disabled.end(),
                       [&](const std::string& entry) { return entry == "*" || entry == name; });
  };
  std::vector<Enabled> merged;
  for (const WeightedName& entry : defaults) {
    if (!is_disabled(entry.name)) merged.push_back({entry.name, entry.weight, path});
  }
  const size_t from_defaults = merged.size();
  for (size_t i = 0; i < enabled.size(); ++i) {
    const WeightedName& entry = enabled[i];
    const std::string item = Item(path + ".enabled", i);
    if (std::any_of(enabled.begin(), enabled.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const WeightedName& other) { return other.name == entry.name; })) {
      return Wrong(item, Quoted(entry.name) + " is enabled above already");
    }
    const auto end = merged.begin() + static_cast<std::ptrdiff_t>(from_defaults);
    const auto at = std::find_if(merged.begin(), end,
                                 [&](const Enabled& other) { return other.name == entry.name; });
    if (at != end) {
      *at = {entry.name, entry.weight, item};
    } else {
      merged.push_back({entry.name, entry.weight, item});
    }
  }
  return merged;
}

std::vector<WeightedName> Unweighted(const std::vector<std::string>& names) {
  std::vector<WeightedName> entries;
  for (const std::string& name : names) entries.push_back({name, kMinWeight});
  return entries;
}

bool CanScore(const Plugin* plugin) {
  return dynamic_cast<const ScorePlugin*>(plugin) != nullptr ||
         dynamic_cast<const DeviceScorePlugin*>(plugin) != nullptr;
}

// The plugin as one that has this extension point.
template <typename Point>
absl::StatusOr<const Point*> As(Plugin* plugin, const Enabled& entry, const char* point) {
  const auto* as_point = dynamic_cast<const Point*>(plugin);
  if (as_point == nullptr) {
    return Wrong(
        entry.path,
        Quoted(entry.name) + " has no " + point + "; " +
            (dynamic_cast<FilterPlugin*>(plugin) != nullptr ? "it can be enabled at plugins.filter"
             : CanScore(plugin)                             ? "it can be enabled at plugins.score"
                                : "it can be enabled at neither filter nor score"));
  }
  return as_point;
}

absl::Status CheckRequired(const std::vector<Enabled>& filters, const ProfileDefaults& defaults,
                           const std::string& path) {
  for (const std::string& name : defaults.required_filters) {
    if (std::any_of(filters.begin(), filters.end(),
                    [&](const Enabled& entry) { return entry.name == name; })) {
      continue;
    }
    return Wrong(path + ".disabled",
                 Quoted(name) +
                     " cannot be left out: without it the same resources would be given "
                     "to several tasks; put it in " +
                     path + ".enabled");
  }
  return absl::OkStatus();
}

absl::Status CheckTie(const std::string& tie, const std::string& path) {
  if (tie == "fixed" || tie == "rotate") return absl::OkStatus();
  return Wrong(path + ".tie", "must be fixed or rotate, is " + Quoted(tie));
}

}  // namespace

const ProfileDefaults& DefaultPlugins() {
  // Filters that look at whole masks come first: what they remove costs the others nothing.
  static const auto* const kDefaults = new ProfileDefaults{
      .filters = {"NodeReadiness", "TaintToleration", "NodeAffinity", "NodeResourcesFit",
                  "DeviceFit", "ClusterResources", "TopologySpread", "TaskAffinity"},
      .scores = {{"NodeResourcesFit", 2},
                 {"BalancedAllocation", 1},
                 {"FragmentationGradient", 2},
                 {"NodeAffinity", 2},
                 {"TaintToleration", 3},
                 {"TopologySpread", 2},
                 {"TaskAffinity", 2},
                 {"LiveUtilisation", 1},
                 {"NetworkLatency", 2},
                 {"NetworkBandwidth", 1},
                 {"TaskInterference", 1},
                 {"ClassLoad", 1},
                 {"DataLocality", 2}},
      .required_filters = {"NodeResourcesFit", "DeviceFit", "ClusterResources"},
  };
  return *kDefaults;
}

bool Profile::Keeps(TermKind kind) const {
  TaskRequirements needs;
  needs.terms = {{.kind = kind, .weight = 0}};
  return std::any_of(filters().begin(), filters().end(), [&](const FilterPlugin* filter) {
    if (filter->scope() != Scope::kDomain) return false;
    const auto passes_all = engine::PassesAll(*filter, needs);
    return passes_all.ok() && !*passes_all;
  });
}

// Compiles one profile, point by point.
class ProfileCompiler {
 public:
  ProfileCompiler(const ProfileOptions& options, std::string path, const PluginRegistry& registry,
                  PluginContext& context, const ProfileDefaults& defaults)
      : options_(options),
        path_(std::move(path)),
        defaults_(defaults),
        maker_(options, path_, registry, context) {}

  absl::StatusOr<Profile> Compile() && {
    if (options_.name.empty()) return Wrong(path_ + ".name", "must not be empty");
    profile_.name_ = options_.name;
    BERTH_RETURN_IF_ERROR(CheckTie(options_.tie, path_));
    profile_.set_.rotates_ties = options_.tie == "rotate";
    BERTH_RETURN_IF_ERROR(maker_.MakeConfigured());
    BERTH_RETURN_IF_ERROR(AddFilters());
    BERTH_RETURN_IF_ERROR(AddScores());
    BERTH_RETURN_IF_ERROR(SetQueueSort());
    profile_.plugins_ = maker_.TakeAll();
    return std::move(profile_);
  }

 private:
  // What a plugin of its scope has to say besides, it must be able to say.
  static absl::Status CheckScope(const Plugin& plugin, Scope scope, const Enabled& entry) {
    const char* missing = nullptr;
    if (scope == Scope::kDomain && dynamic_cast<const DomainPlugin*>(&plugin) == nullptr) {
      missing = "is of scope kDomain and no DomainPlugin";
    }
    if (scope == Scope::kSparse && dynamic_cast<const SparsePlugin*>(&plugin) == nullptr) {
      missing = "is of scope kSparse and no SparsePlugin";
    }
    if (missing == nullptr) return absl::OkStatus();
    return Wrong(entry.path, Quoted(entry.name) + " " + missing + "; mend the plugin");
  }

  absl::Status AddFilters() {
    const std::string path = path_ + ".plugins.filter";
    BERTH_ASSIGN_OR_RETURN(
        const std::vector<Enabled> filters,
        Merge(Unweighted(defaults_.filters), Unweighted(options_.filters.enabled),
              options_.filters.disabled, path, maker_));
    for (const Enabled& entry : filters) {
      BERTH_ASSIGN_OR_RETURN(Plugin * plugin, maker_.Get(entry.path, entry.name));
      BERTH_ASSIGN_OR_RETURN(const FilterPlugin* filter, As<FilterPlugin>(plugin, entry, "filter"));
      BERTH_RETURN_IF_ERROR(CheckScope(*plugin, filter->scope(), entry));
      // What came from outside is no reason to wait: it comes and goes without a node's changing.
      if ((filter->reads() & kReadsOutside) != 0) {
        return Wrong(entry.path, Quoted(entry.name) +
                                     " reads kReadsOutside, which is for scores; mend the plugin");
      }
      profile_.set_.filters.push_back(filter);
      if (const auto* pre_filter = dynamic_cast<const PreFilterPlugin*>(plugin)) {
        profile_.set_.pre_filters.push_back(pre_filter);
      }
      if (const auto* reserve = dynamic_cast<const ReservePlugin*>(plugin)) {
        profile_.set_.reserves.push_back(reserve);
      }
    }
    return CheckRequired(filters, defaults_, path);
  }

  absl::Status AddScores() {
    const std::string path = path_ + ".plugins.score";
    BERTH_ASSIGN_OR_RETURN(
        const std::vector<Enabled> scores,
        Merge(defaults_.scores, options_.scores.enabled, options_.scores.disabled, path, maker_));
    for (const Enabled& entry : scores) {
      BERTH_ASSIGN_OR_RETURN(Plugin * plugin, maker_.Get(entry.path, entry.name));
      const auto* of_devices = dynamic_cast<const DeviceScorePlugin*>(plugin);
      const ScorePlugin* score = dynamic_cast<const ScorePlugin*>(plugin);
      if (of_devices == nullptr) {
        BERTH_ASSIGN_OR_RETURN(score, As<ScorePlugin>(plugin, entry, "score"));
      }
      if (score != nullptr) {
        BERTH_RETURN_IF_ERROR(CheckScope(*plugin, score->scope(), entry));
      }
      if (entry.weight < kMinWeight || entry.weight > kMaxWeight) {
        return Wrong(entry.path + ".weight",
                     "must be from " + std::to_string(kMinWeight) + " to " +
                         std::to_string(kMaxWeight) + ", is " + std::to_string(entry.weight) +
                         "; to switch a score off, put it in " + path + ".disabled");
      }
      profile_.set_.scores.push_back({score, static_cast<int32_t>(entry.weight), of_devices});
    }
    if (profile_.set_.scores.size() > engine::kMaxScorePlugins) {
      return Wrong(path, "at most " + std::to_string(engine::kMaxScorePlugins) +
                             " plugins can score, here are " +
                             std::to_string(profile_.set_.scores.size()));
    }
    return absl::OkStatus();
  }

  absl::Status SetQueueSort() {
    const std::string path = path_ + ".plugins.queueSort";
    BERTH_ASSIGN_OR_RETURN(Plugin * plugin, maker_.Get(path, options_.queue_sort));
    profile_.queue_sort_ = dynamic_cast<const QueueSortPlugin*>(plugin);
    if (profile_.queue_sort_ != nullptr) return absl::OkStatus();
    return Wrong(path, Quoted(options_.queue_sort) + " is no queue order");
  }

  const ProfileOptions& options_;
  const std::string path_;
  const ProfileDefaults& defaults_;
  PluginMaker maker_;
  Profile profile_;
};

absl::StatusOr<Profile> CompileProfile(const ProfileOptions& options, std::string_view path,
                                       const PluginRegistry& registry, PluginContext& context,
                                       const ProfileDefaults& defaults) {
  return ProfileCompiler(options, std::string(path), registry, context, defaults).Compile();
}

absl::StatusOr<std::vector<Profile>> CompileProfiles(std::span<const ProfileOptions> options,
                                                     const PluginRegistry& registry,
                                                     PluginContext& context,
                                                     const ProfileDefaults& defaults) {
  if (options.empty()) return Wrong("profiles", "there must be at least one");
  std::vector<Profile> profiles;
  for (size_t i = 0; i < options.size(); ++i) {
    const std::string path = Item("profiles", i);
    for (const Profile& other : profiles) {
      if (other.name() == options[i].name) {
        return Wrong(path + ".name", Quoted(options[i].name) + " is the name of another profile");
      }
    }
    BERTH_ASSIGN_OR_RETURN(Profile profile,
                           CompileProfile(options[i], path, registry, context, defaults));
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

}  // namespace berth::pipeline
