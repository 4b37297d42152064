// NodeAffinity: conditions on a node's labels, as a must and as a wish.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kNodeAffinity = "NodeAffinity";

// A filter and a score. No arguments.
//
// Filter: the node has every label of the task's node selector and, where the task has required
// selectors, at least one of those holds.
// Score: the weights of the preferred selectors that hold, as a part of all their weights. Skips
// tasks without preferences.
absl::StatusOr<std::unique_ptr<Plugin>> MakeNodeAffinity(const PluginArgs& args,
                                                         PluginContext& context);

}  // namespace berth::plugins
