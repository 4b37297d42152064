// Every plugin that berthd brings, with arguments under which it does something else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"

namespace berth::testing {

struct Variant {
  std::string plugin;
  std::string label;  // letters only: part of the test's name
  PluginArgs args;
};

// Each plugin with its defaults, and further ones.
std::vector<Variant> AllVariants();

absl::StatusOr<std::unique_ptr<Plugin>> MakeVariant(const Variant& variant, PluginContext& context);

}  // namespace berth::testing
