// Random: any node that fits, and any of its devices.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kRandom = "Random";

// A score of nodes, and for tasks with devices of nodes and sets of devices: what others are
// measured against.
//
// A node's score is a hash of the seed, the amounts that the task asks for, the slot, and what is
// allocated on the node now. So it can be kept while the node does not change, and the same state
// gives the same choice; and it is drawn anew when something is put on the node or leaves it, so
// that tasks that are alike do not fill one node after the other. Among a node's devices with room
// each is as likely as any other.
//
// Arguments: seed: 0 (the default) to 2^62.
absl::StatusOr<std::unique_ptr<Plugin>> MakeRandom(const PluginArgs& args, PluginContext& context);

}  // namespace berth::plugins
