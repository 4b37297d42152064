// DataLocality: nodes that have what the task is thought to read.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kDataLocality = "DataLocality";

// A score for tasks with hints at data (TaskView::data): the part of it, by weight, that the node
// says it has. Data that more than `mostNodes` nodes have is passed over: a placement would cost as
// much as it has nodes, and nearly any node will do.
//
// Arguments: `mostNodes`, 1 to 100,000; 1,000 when absent.
absl::StatusOr<std::unique_ptr<Plugin>> MakeDataLocality(const PluginArgs& args,
                                                         PluginContext& context);

}  // namespace berth::plugins
