// NodeReadiness: only nodes whose agent is connected and that no operator has closed.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kNodeReadiness = "NodeReadiness";

// A filter. No arguments.
//
// Removes cordoned nodes and those that are not ready; a node that is both counts as cordoned,
// which is what somebody has to undo. Neither is permanent: agents come back and operators
// uncordon.
absl::StatusOr<std::unique_ptr<Plugin>> MakeNodeReadiness(const PluginArgs& args,
                                                          PluginContext& context);

}  // namespace berth::plugins
