// DotProduct: tasks where little is free of what they ask for.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kDotProduct = "DotProduct";

// A score: the smaller the product of what a node has free and what the task asks for, the better.
// With C and G the node's free cores and devices of one kind, c and g the task's, and L those of
// the largest node:
//
//   1 - 1/2 x (C / L.C x c / L.C + G / L.G x g / L.G)
//
// Arguments, with their defaults:
//   kind: gpu
//   largestNode: {cpu: 128, devices: 8}   # more counts as that much
//   resolution: full                      # percent: in whole per cents, as published
//
// As in the evaluation of fragmentation gradient descent (USENIX ATC '23), after Tetris.
absl::StatusOr<std::unique_ptr<Plugin>> MakeDotProduct(const PluginArgs& args,
                                                       PluginContext& context);

}  // namespace berth::plugins
