// The argument `resources: [{name: cpu, weight: 1}, ...]`, which several plugins have.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/plugin_registry.h"
#include "berth/resources.h"
#include "common/args_reader.h"

namespace berth::plugins {

struct ResourceWeight {
  ResourceIndex resource = kCpu;
  int32_t weight = 1;
};

// Reads the list at `name`; cpu and memory, each with weight 1, when it is absent. An entry is a
// map of `name` (each once) and `weight` (1 to `most`, 1 when absent).
//
// Errors: as ArgsReader; RESOURCE_EXHAUSTED when the cluster has no column left for a new name.
// Devices are no such resource, and are refused with the way to score them.
absl::StatusOr<std::vector<ResourceWeight>> ReadResourceWeights(const ArgsReader& args,
                                                                std::string_view name, int32_t most,
                                                                PluginContext& context);

}  // namespace berth::plugins
