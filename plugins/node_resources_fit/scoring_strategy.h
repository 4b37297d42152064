// What NodeResourcesFit is told about scoring.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "berth/plugin_args.h"
#include "berth/plugin_registry.h"
#include "common/resource_weights.h"

namespace berth::plugins {

// A function of utilisation: straight between its points, level before the first and after the
// last.
class UtilizationShape {
 public:
  struct Point {
    int32_t utilization = 0;  // 0 to kMaxScore for 0 to 100 %
    int32_t score = 0;        // 0 to kMaxScore
  };

  UtilizationShape() = default;
  // REQUIRES: at least one point; utilization rises strictly.
  explicit UtilizationShape(std::vector<Point> points) : points_(std::move(points)) {}

  // In [0, kMaxScore]; between points rounded towards the point before. O(points).
  int32_t At(int32_t utilization) const;

 private:
  std::vector<Point> points_;
};

struct ScoringStrategy {
  enum class Type : uint8_t { kLeastAllocated, kMostAllocated, kRequestedToCapacityRatio };
  enum class Devices : uint8_t { kMostAllocated, kLeastAllocated, kIgnore };

  Type type = Type::kLeastAllocated;
  Devices devices = Devices::kMostAllocated;
  bool keeps_for_devices = true;  // only with kLeastAllocated
  std::vector<ResourceWeight> resources;
  UtilizationShape shape;  // only of kRequestedToCapacityRatio
};

// Reads the plugin's arguments. Errors: as ArgsReader.
absl::StatusOr<ScoringStrategy> ReadScoringStrategy(const PluginArgs& args, PluginContext& context);

}  // namespace berth::plugins
