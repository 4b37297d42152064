// NetworkLatency: near other tasks, or near data, by measured round trips.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kNetworkLatency = "NetworkLatency";

// A score, of scope kDomain. No arguments.
//
// For each rule of a near kind a part of kMaxScore by weight. Of that, in tenths, how near the
// node's domain is (NodeColumns::nearness): to tasks on an average over all that the rule is about,
// nothing while there are none; to data as to the nearest domain that has it. Where nothing is
// known of two domains a domain is nearest to itself and far from the other. A node without the
// label gets nothing. Skips tasks without such rules.
absl::StatusOr<std::unique_ptr<Plugin>> MakeNetworkLatency(const PluginArgs& args,
                                                           PluginContext& context);

}  // namespace berth::plugins
