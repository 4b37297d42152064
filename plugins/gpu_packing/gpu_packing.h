// GpuPacking: devices in use first, then nodes in use, then the rest.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kGpuPacking = "GpuPacking";

// A score of sets of devices, in points of 100:
//   1. all devices of the set are in use in part: 100, less a point for each tenth of a device that
//      they have left now, at least 50;
//   2. u of them are free, and others of the node's devices are in use: 50 - u, at least 33;
//   3. all K devices of the node are free: 33 - K, at least K.
// 0 for tasks without such devices.
//
// Arguments: kind: gpu (the default), the devices in question.
//
// As in the evaluation of fragmentation gradient descent (USENIX ATC '23).
absl::StatusOr<std::unique_ptr<Plugin>> MakeGpuPacking(const PluginArgs& args,
                                                       PluginContext& context);

}  // namespace berth::plugins
