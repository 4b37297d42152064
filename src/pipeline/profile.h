// Profiles: named sets of plugins with weights, compiled from the configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/device_score.h"
#include "berth/filter.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"
#include "berth/queue_sort.h"
#include "berth/reserve.h"
#include "berth/score.h"
#include "engine/plugin_set.h"

namespace berth::pipeline {

inline constexpr int64_t kMinWeight = 1;
inline constexpr int64_t kMaxWeight = engine::kMaxWeight;

// A plugin that scores, and how much its score counts.
struct WeightedName {
  std::string name;
  int64_t weight = 1;  // kMinWeight to kMaxWeight

  bool operator==(const WeightedName&) const = default;
};

// What the configuration says of one profile, over the defaults.
//
// At each extension point the defaults come first. `disabled` takes plugins out by name, "*" takes
// out all defaults. `enabled` adds plugins behind what is left; one that is there already keeps its
// place and takes the new weight. A plugin in both lists moves to the back.
struct ProfileOptions {
  struct Filters {
    std::vector<std::string> enabled;
    std::vector<std::string> disabled;
  };
  struct Scores {
    std::vector<WeightedName> enabled;
    std::vector<std::string> disabled;
  };

  std::string name = "default";
  Filters filters;
  Scores scores;
  // Arguments by plugin, in the order of the file. A plugin without an entry has its defaults.
  std::vector<std::pair<std::string, PluginArgs>> plugin_config;
  std::string queue_sort = "PrioritySort";
  // How equal totals are decided. "fixed": by rank. "rotate": by rank too, from a place on that
  // each task has of its own, so that tasks are spread over equal nodes.
  std::string tie = "fixed";
};

// What a profile has where its options are silent.
struct ProfileDefaults {
  std::vector<std::string> filters;
  std::vector<WeightedName> scores;
  // Filters that keep the books: without them a node's resources would be given away twice, so no
  // profile may leave them out.
  std::vector<std::string> required_filters;
};

// The default profile of design and documentation.
const ProfileDefaults& DefaultPlugins();

// A compiled profile: its plugins, made with their arguments, at the points where they take part.
//
// A plugin named at several points is one object. What is enabled as a filter, and can refuse tasks
// or reserve, takes part in PreFilter and Reserve.
//
// Threading: immutable; its plugins are called on the loop's thread only.
class Profile {
 public:
  Profile(Profile&&) = default;
  Profile& operator=(Profile&&) = default;

  const std::string& name() const { return name_; }
  // In the order in which they run, which is that in which a removed node is counted.
  std::span<const FilterPlugin* const> filters() const { return set_.filters; }
  // In the order of the options; never more than engine::kMaxScorePlugins.
  std::span<const engine::WeightedScore> scores() const { return set_.scores; }
  std::span<const ReservePlugin* const> reserves() const { return set_.reserves; }
  // The three together.
  const engine::PluginSet& placing() const { return set_; }
  const QueueSortPlugin& queue_sort() const { return *queue_sort_; }
  // Whether some filter keeps required rules of this kind; without one they would mean nothing.
  // Cost: asks each filter of scope kDomain once.
  bool Keeps(TermKind kind) const;

 private:
  friend class ProfileCompiler;
  Profile() = default;

  std::string name_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  engine::PluginSet set_;
  const QueueSortPlugin* queue_sort_ = nullptr;
};

// Makes the plugins of one profile. `path` is where its options stand in the file ("profiles[0]").
//
// INVALID_ARGUMENT names the path of what is wrong ("profiles[0].plugins.score.enabled[1]"), what
// it is and what would be accepted: an unknown plugin with the nearest known name, a weight out of
// range, a plugin that has no such extension point, a missing required filter, an argument that its
// plugin refuses ("profiles[0].pluginConfig[1].args.scoringStrategy.type"), a factory that throws.
absl::StatusOr<Profile> CompileProfile(const ProfileOptions& options, std::string_view path,
                                       const PluginRegistry& registry, PluginContext& context,
                                       const ProfileDefaults& defaults = DefaultPlugins());

// Makes all profiles of a configuration, paths "profiles[0]" and so on. INVALID_ARGUMENT also when
// there is none or two have one name.
absl::StatusOr<std::vector<Profile>> CompileProfiles(
    std::span<const ProfileOptions> options, const PluginRegistry& registry, PluginContext& context,
    const ProfileDefaults& defaults = DefaultPlugins());

}  // namespace berth::pipeline
