// BalancedAllocation: prefers nodes whose resources are used to the same degree.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kBalancedAllocation = "BalancedAllocation";

// A score.
//
// kMaxScore less the gap, with the task placed, between the largest and the smallest used part of
// the resources: a node with 70 % of its CPU and 30 % of its memory in use gets 60 % of kMaxScore.
// What is left free is then usable, rather than memory without CPU. Used parts are rounded down to
// 2^-20 and end at 1. A resource that the node does not have is left out.
//
// Arguments, with their default:
//   resources: [{name: cpu}, {name: memory}]   # a weight may be written, and must be 1
absl::StatusOr<std::unique_ptr<Plugin>> MakeBalancedAllocation(const PluginArgs& args,
                                                               PluginContext& context);

}  // namespace berth::plugins
