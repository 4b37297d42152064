#include "tests/conformance/plugin_variants.h"

#include <utility>

#include "builtin.h"
#include "tests/support/plugin_args_builder.h"

namespace berth::testing {
namespace {

PluginArgs Strategy(PluginArgs::Map entries) {
  return ArgMap({{"scoringStrategy", ArgMap(std::move(entries))}});
}

}  // namespace

std::vector<Variant> AllVariants() {
  std::vector<Variant> variants;
  for (const PluginEntry& plugin : plugins::BuiltinPlugins()) {
    variants.push_back({std::string(plugin.name), "Default", {}});
  }
  const PluginArgs three =
      ArgList({ArgWeight("cpu", 3), ArgWeight("storage", 1), ArgWeight("fpga_slots", 2)});
  variants.push_back({"NodeResourcesFit", "Packing",
                      Strategy({{"type", Arg("MostAllocated")},
                                {"devices", Arg("LeastAllocated")},
                                {"resources", three}})});
  variants.push_back(
      {"NodeResourcesFit", "Shaped",
       Strategy({{"type", Arg("RequestedToCapacityRatio")},
                 {"devices", Arg("Ignore")},
                 {"requestedToCapacityRatio",
                  ArgMap({{"shape", ArgList({ArgMap({{"utilization", Arg(10)}, {"score", Arg(3)}}),
                                             ArgMap({{"utilization", Arg(70)}, {"score", Arg(10)}}),
                                             ArgMap({{"utilization", Arg(100)},
                                                     {"score", Arg(0)}})})}})}})});
  variants.push_back(
      {"NodeResourcesFit", "Weighted",
       Strategy({{"resources", ArgList({ArgWeight("cpu", 3), ArgWeight("memory", 1)})}})});
  variants.push_back({"BalancedAllocation", "Three",
                      ArgMap({{"resources", ArgList({ArgWeight("cpu", 1), ArgWeight("memory", 1),
                                                     ArgWeight("fpga_slots", 1)})}})});
  variants.push_back(
      {"FragmentationGradient", "Mixed",
       ArgMap({{"cpuTasks", Arg(true)},
               {"mix", ArgList({ArgMap({{"devices", Arg(2)},
                                        {"models", ArgList({Arg("T4"), Arg("H100")})},
                                        {"weight", Arg(3)}}),
                                ArgMap({{"shareMilli", Arg(300)},
                                        {"cpuMilli", Arg(4000)},
                                        {"memoryMib", Arg(9000)}}),
                                ArgMap({{"devices", Arg(0)}})})}})});
  const PluginArgs percent = ArgMap({{"resolution", Arg("percent")}, {"kind", Arg("tpu")}});
  for (const char* policy : {"FragmentationGradient", "BestFit", "DotProduct"}) {
    variants.push_back({policy, "Percent", percent});
  }
  return variants;
}

absl::StatusOr<std::unique_ptr<Plugin>> MakeVariant(const Variant& variant,
                                                    PluginContext& context) {
  for (const PluginEntry& plugin : plugins::BuiltinPlugins()) {
    if (plugin.name == variant.plugin) return plugin.make(variant.args, context);
  }
  return absl::NotFoundError(variant.plugin + ": there is no such plugin");
}

}  // namespace berth::testing
