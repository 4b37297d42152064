// FragmentationGradient: devices where the fewest become useless to the tasks that are to come.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kFragmentationGradient = "FragmentationGradient";

// A score of sets of devices, by the fragmentation F of the node before and after the task has them
// (see fragmentation.h), in devices:
//
//   1 / (1 + e^-(F before - F after))
//
// so that 1/2 changes nothing. Skips tasks without such devices.
//
// Arguments, with their defaults:
//   kind: gpu
//   cpuTasks: false     # true: nodes are scored for tasks without devices too, which make free
//                       # devices useless where they take the last cores
//   resolution: full    # percent: in whole per cents, as published; the differences of many nodes
//                       # are below that
//   mix:                # the tasks that are to come, at most 256 sorts of them
//   - devices: 1        # 0 to 256
//     shareMilli: 1000  # of each device; below 1000 only with devices: 1
//     cpuMilli: 0
//     memoryMib: 0
//     models: []        # any of them; empty: every model
//     weight: 1         # how many there are of them, 1 to 1,000,000
//
// Without a mix in the arguments it is that of the last tasks that were submitted, by CPU and
// devices (PluginContext::TaskMix). Where too few are known it is that of the openb trace, rounded,
// with some more tasks of several devices: 46.5 % ask for one device, 35 % for a part of one, 5 %
// for 2, 4 or 8, and 13.5 % for none; see kDefaultMix.
//
// After Weng, Yang et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
// Fragmentation Gradient Descent", USENIX ATC '23.
absl::StatusOr<std::unique_ptr<Plugin>> MakeFragmentationGradient(const PluginArgs& args,
                                                                  PluginContext& context);

}  // namespace berth::plugins
