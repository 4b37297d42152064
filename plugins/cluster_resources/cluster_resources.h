// ClusterResources: what belongs to no node, and there is enough of it for the task.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kClusterResources = "ClusterResources";

// A filter, of scope kDomain. No arguments.
//
// What a task takes of each such resource (SharedUse), with what others have in the domain that the
// node is in, is no more than there is in a domain. A node without the label of the resource's
// topology key has none of it.
absl::StatusOr<std::unique_ptr<Plugin>> MakeClusterResources(const PluginArgs& args,
                                                             PluginContext& context);

}  // namespace berth::plugins
