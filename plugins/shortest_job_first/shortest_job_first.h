// ShortestJobFirst: tasks that are expected to end soon go first, and none waits for ever.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kShortestJobFirst = "ShortestJobFirst";

// An order: by priority, higher first; of one priority by how long such tasks took before, else by
// their time limit, else `unknownSeconds`, less what the group has waited times `ageingPercent`.
// Since all age alike, who goes first of two never changes while they wait.
//
// Only what was measured and what ends a task counts: a duration that a text speaks of would let
// anybody write a way to the front.
//
// Arguments: `ageingPercent`, 0 (a long task may wait for ever) to 1000, 100 when absent: after
// waiting as long as it is longer, a task goes before a short one that has just come.
// `unknownSeconds`, 1 to 31,536,000; 3600 when absent.
absl::StatusOr<std::unique_ptr<Plugin>> MakeShortestJobFirst(const PluginArgs& args,
                                                             PluginContext& context);

}  // namespace berth::plugins
