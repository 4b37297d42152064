// NetworkBandwidth: where much bandwidth is free, for tasks that say what they want to be near to.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kNetworkBandwidth = "NetworkBandwidth";

// A score of scope kNode. No arguments.
//
// What a task moves to its peers, or reads from data, goes through its node's own link, whatever
// the other end: a tenth of kMaxScore for each doubling of the node's free bandwidth above 100
// Mbit/s, with straight lines between; all of it from 102.4 Gbit/s on. Skips tasks without a rule
// of a near kind.
absl::StatusOr<std::unique_ptr<Plugin>> MakeNetworkBandwidth(const PluginArgs& args,
                                                             PluginContext& context);

}  // namespace berth::plugins
