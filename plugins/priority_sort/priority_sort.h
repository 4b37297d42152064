// PrioritySort: higher priority first, then who came first.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kPrioritySort = "PrioritySort";

// A queue order. No arguments.
//
// The key is the negated priority alone. Ties go by job, and job ids rise with submission; so a
// task that is queued again, after its node was lost, keeps its place among its equals.
absl::StatusOr<std::unique_ptr<Plugin>> MakePrioritySort(const PluginArgs& args,
                                                         PluginContext& context);

}  // namespace berth::plugins
