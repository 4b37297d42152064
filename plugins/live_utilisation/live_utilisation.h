// LiveUtilisation: nodes of which little is in use, by measurement.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kLiveUtilisation = "LiveUtilisation";

// A score: the part of the node that nobody used lately (NodeColumns::usage), whatever is given
// away. Half, where that is not known. No arguments.
absl::StatusOr<std::unique_ptr<Plugin>> MakeLiveUtilisation(const PluginArgs& args,
                                                            PluginContext& context);

}  // namespace berth::plugins
