// TaskAffinity: with other tasks, or away from them, in the domains of a node label.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/plugin.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::plugins {

inline constexpr std::string_view kTaskAffinity = "TaskAffinity";

// A filter and a score, of scope kDomain. No arguments.
//
// Filter: in the node's domain is a task of each required affinity rule, and none of each required
// anti-affinity rule, of the task's own or of others against it. Of an affinity rule that counts
// the task itself the first task may go anywhere where the label is. A node without the label is in
// no domain: affinity fails there, anti-affinity does not. Score: for each preferred rule a part of
// kMaxScore by weight: n / (n + 1) of it with n tasks of an affinity rule in the domain, 1 / (n +
// 1) with n of an anti-affinity rule. Skips tasks without preferred rules.
absl::StatusOr<std::unique_ptr<Plugin>> MakeTaskAffinity(const PluginArgs& args,
                                                         PluginContext& context);

}  // namespace berth::plugins
