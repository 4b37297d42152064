// TaintToleration: nodes with a taint are for tasks that tolerate it.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kTaintToleration = "TaintToleration";

// A filter and a score. No arguments.
//
// Filter: removes nodes with a NoSchedule or NoExecute taint that the task does not tolerate.
// Score: kMaxScore without a PreferNoSchedule taint that the task does not tolerate; a quarter for
// each such taint, so that with the default weights one of them outweighs all that
// NodeResourcesFit can say for a node.
absl::StatusOr<std::unique_ptr<Plugin>> MakeTaintToleration(const PluginArgs& args,
                                                            PluginContext& context);

}  // namespace berth::plugins
