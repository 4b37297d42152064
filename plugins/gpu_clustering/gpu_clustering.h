// GpuClustering: tasks with others that ask for as many devices.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kGpuClustering = "GpuClustering";

// A score, in points of 100. Tasks are of one sort when they ask for a share, or for the same
// number of whole devices.
//   75: all tasks with devices on the node are of the task's sort;
//   50: some are;
//   25: the node has none;
//    0: it has others alone;
// and up to 25 more, in whole points, for the part of 8 devices that is not free. Skips tasks
// without such devices.
//
// Arguments: kind: gpu (the default), the devices in question.
//
// As in the evaluation of fragmentation gradient descent (USENIX ATC '23).
absl::StatusOr<std::unique_ptr<Plugin>> MakeGpuClustering(const PluginArgs& args,
                                                          PluginContext& context);

}  // namespace berth::plugins
