// RemoteScorer: what a program beside berthd says of the nodes.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kRemoteScorer = "RemoteScorer";

// A score: what the scorer at `address` last said of the node for such tasks, while that is not
// older than `timeToLive`; else 0. Nobody is asked while a task is placed: berthd asks on a thread
// of its own, every `interval`, and hands what it hears to the loop.
//
// Arguments: RemoteScorerArgs.
absl::StatusOr<std::unique_ptr<Plugin>> MakeRemoteScorer(const PluginArgs& args,
                                                         PluginContext& context);

}  // namespace berth::plugins
