// TopologySpread: tasks evenly over zones, racks, or whatever a node label names.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kTopologySpread = "TopologySpread";

// A filter and a score, of scope kDomain. No arguments.
//
// Filter: for each required rule the node has the label, and with the task its domain would have at
// most max_skew tasks more than the eligible domain with the fewest.
// Score: for each preferred rule a part of kMaxScore by weight: all of it in a domain with the
// fewest tasks, max_skew / (max_skew + d) of it in one that has d more, nothing without the label.
// Skips tasks without preferred rules.
absl::StatusOr<std::unique_ptr<Plugin>> MakeTopologySpread(const PluginArgs& args,
                                                           PluginContext& context);

}  // namespace berth::plugins
