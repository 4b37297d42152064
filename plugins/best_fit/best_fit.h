// BestFit: the node that has least left.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kBestFit = "BestFit";

// A score: packs. With C the node's free cores and G its free devices of one kind, both after the
// task, and those of the largest node:
//
//   1 - 1/2 x C / largest C - 1/2 x G / largest G
//
// Arguments, with their defaults:
//   kind: gpu
//   largestNode: {cpu: 128, devices: 8}   # more counts as that much
//   resolution: full                      # percent: in whole per cents, as published
//
// As in the evaluation of fragmentation gradient descent (USENIX ATC '23), which besides stretches
// the scores of the nodes that fit over the whole range. That keeps their order; scores here do not
// depend on other nodes, so it is left out.
absl::StatusOr<std::unique_ptr<Plugin>> MakeBestFit(const PluginArgs& args, PluginContext& context);

}  // namespace berth::plugins
