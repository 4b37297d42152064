// TaskInterference: nodes with few tasks that want the same as this one.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kTaskInterference = "TaskInterference";

// A score for tasks of which it is known what they are bound by. For CPU and memory: the part of
// the node's CPU that tasks bound by the same do not hold; memory's bandwidth is taken core by
// core. For disks and the network, of which one task may take all: 1 less an `crowd`th for each
// such task there, 0 from `crowd` tasks on. Tasks bound by accelerators have theirs to themselves,
// and are not scored.
//
// Arguments: `crowd`, 2 to 64; 8 when absent.
absl::StatusOr<std::unique_ptr<Plugin>> MakeTaskInterference(const PluginArgs& args,
                                                             PluginContext& context);

}  // namespace berth::plugins
