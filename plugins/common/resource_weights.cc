#include "common/resource_weights.h"

#include <algorithm>
#include <string>

namespace berth::plugins {
namespace {

absl::StatusOr<ResourceWeight> ReadOne(const PluginArgs& item, const std::string& path,
                                       int32_t most, PluginContext& context) {
  const auto entry = ArgsReader::Open(item, path, {"name", "weight"});
  if (!entry.ok()) return entry.status();
  const auto name = entry->Text("name");
  if (!name.ok()) return name.status();
  const auto weight = entry->IntegerOr("weight", 1, most, 1);
  if (!weight.ok()) return weight.status();
  if (*name == "gpu" || *name == "tpu") {
    return WrongArgument(entry->Path("name"),
                         "\"" + *name +
                             "\" is a kind of device, which has no column; devices are scored by "
                             "NodeResourcesFit's scoringStrategy.devices and by DeviceFit");
  }
  const auto column = context.ResourceColumn(*name);
  if (!column.ok()) {
    return absl::Status(column.status().code(),
                        entry->Path("name") + ": " + std::string(column.status().message()));
  }
  return ResourceWeight{*column, static_cast<int32_t>(*weight)};
}

}  // namespace

absl::StatusOr<std::vector<ResourceWeight>> ReadResourceWeights(const ArgsReader& args,
                                                                std::string_view name, int32_t most,
                                                                PluginContext& context) {
  const auto list = args.List(name, kMaxResources);
  if (!list.ok()) return list.status();
  if (*list == nullptr) return std::vector<ResourceWeight>{{kCpu, 1}, {kMemory, 1}};
  std::vector<ResourceWeight> weights;
  for (const PluginArgs& item : **list) {
    const std::string path = args.Path(name) + "[" + std::to_string(weights.size()) + "]";
    const auto weight = ReadOne(item, path, most, context);
    if (!weight.ok()) return weight.status();
    if (std::any_of(weights.begin(), weights.end(), [&](const ResourceWeight& other) {
          return other.resource == weight->resource;
        })) {
      return WrongArgument(path + ".name", "is in the list already");
    }
    weights.push_back(*weight);
  }
  return weights;
}

}  // namespace berth::plugins
