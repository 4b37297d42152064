// NodeResourcesFit: countable resources must suffice, and the amounts left decide the score.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kNodeResourcesFit = "NodeResourcesFit";

// A filter and a score.
//
// Filter: on each resource of which the task asks for something, allocated + requested <= capacity.
// A resource that the task does not ask for does not matter, however overdrawn it may be.
//
// Score, with the task placed: the weighted mean over `resources` of
//   LeastAllocated              the free part: spreads
//   MostAllocated               the used part: packs
//   RequestedToCapacityRatio    the used part, mapped by `shape`, straight between its points
// A resource that a node does not have counts as 0. Of tasks that ask for devices, only the devices
// are scored: packed by default, because a half-used accelerator node is of less use to the next
// task than a half-used CPU. LeastAllocated leaves tasks without devices what goes with the devices
// that are in use: as large a part of the node as its devices are idle counts as taken, down to 0,
// so that devices are not left without the cores that their tasks need.
//
// Arguments, with their defaults:
//   scoringStrategy:
//     type: LeastAllocated     # | MostAllocated | RequestedToCapacityRatio
//     resources: [{name: cpu, weight: 1}, {name: memory, weight: 1}]   # weights 1 to 100
//     devices: MostAllocated   # | LeastAllocated | Ignore (as tasks without devices)
//     idleDevices: Reserve     # | Ignore: what goes with idle devices counts as free
//     requestedToCapacityRatio:            # only with, and required by, that type
//       shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]   # rising utilization
absl::StatusOr<std::unique_ptr<Plugin>> MakeNodeResourcesFit(const PluginArgs& args,
                                                             PluginContext& context);

}  // namespace berth::plugins
