// ClassLoad: nodes of which little is in use of what the task is bound by, by measurement.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kClassLoad = "ClassLoad";

// A score for tasks of which it is known what they are bound by: the part of just that (CPU,
// memory, the busiest disk, the network, accelerators) that nobody used lately
// (NodeColumns::class_usage), whatever is given away. Half, where that is not known. No arguments.
absl::StatusOr<std::unique_ptr<Plugin>> MakeClassLoad(const PluginArgs& args,
                                                      PluginContext& context);

}  // namespace berth::plugins
