#include "node_resources_fit/scoring_strategy.h"

#include <string>
#include <utility>

#include "berth/resources.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

constexpr size_t kMaxPoints = 16;
constexpr const char* kRatio = "RequestedToCapacityRatio";

absl::StatusOr<UtilizationShape> ReadShape(const PluginArgs& args, const std::string& path) {
  const auto ratio = ArgsReader::Open(args, path, {"shape"});
  if (!ratio.ok()) return ratio.status();
  const auto list = ratio->List("shape", kMaxPoints);
  if (!list.ok()) return list.status();
  if (*list == nullptr) return WrongArgument(ratio->Path("shape"), "is missing");
  std::vector<UtilizationShape::Point> points;
  int64_t last = -1;
  for (const PluginArgs& item : **list) {
    const std::string at = ratio->Path("shape") + "[" + std::to_string(points.size()) + "]";
    const auto point = ArgsReader::Open(item, at, {"utilization", "score"});
    if (!point.ok()) return point.status();
    const auto utilization = point->Integer("utilization", 0, 100);
    if (!utilization.ok()) return utilization.status();
    if (*utilization <= last) {
      return WrongArgument(point->Path("utilization"), "must be above that of the point before, " +
                                                           std::to_string(last) + ", is " +
                                                           std::to_string(*utilization));
    }
    last = *utilization;
    const auto score = point->Integer("score", 0, 10);
    if (!score.ok()) return score.status();
    points.push_back({static_cast<int32_t>(*utilization * kMaxScore / 100),
                      static_cast<int32_t>(*score * kMaxScore / 10)});
  }
  return UtilizationShape(std::move(points));
}

}  // namespace

int32_t UtilizationShape::At(int32_t utilization) const {
  const Point* before = &points_.front();
  if (utilization <= before->utilization) return before->score;
  for (const Point& after : points_) {
    if (utilization < after.utilization) {
      const int64_t rise = after.score - before->score;
      return before->score + static_cast<int32_t>(rise * (utilization - before->utilization) /
                                                  (after.utilization - before->utilization));
    }
    before = &after;
  }
  return before->score;
}

absl::StatusOr<ScoringStrategy> ReadScoringStrategy(const PluginArgs& args,
                                                    PluginContext& context) {
  static const PluginArgs kNothing;
  const auto top = ArgsReader::Open(args, "", {"scoringStrategy"});
  if (!top.ok()) return top.status();
  const PluginArgs* given = top->Find("scoringStrategy");
  const auto reader =
      ArgsReader::Open(given == nullptr ? kNothing : *given, "scoringStrategy",
                       {"type", "resources", "devices", "idleDevices", "requestedToCapacityRatio"});
  if (!reader.ok()) return reader.status();

  ScoringStrategy strategy;
  const auto type = reader->Choice("type", {"LeastAllocated", "MostAllocated", kRatio});
  if (!type.ok()) return type.status();
  if (*type == "MostAllocated") strategy.type = ScoringStrategy::Type::kMostAllocated;
  if (*type == kRatio) strategy.type = ScoringStrategy::Type::kRequestedToCapacityRatio;

  const auto devices = reader->Choice("devices", {"MostAllocated", "LeastAllocated", "Ignore"});
  if (!devices.ok()) return devices.status();
  if (*devices == "LeastAllocated") strategy.devices = ScoringStrategy::Devices::kLeastAllocated;
  if (*devices == "Ignore") strategy.devices = ScoringStrategy::Devices::kIgnore;

  const auto idle = reader->Choice("idleDevices", {"Reserve", "Ignore"});
  if (!idle.ok()) return idle.status();
  strategy.keeps_for_devices =
      *idle == "Reserve" && strategy.type == ScoringStrategy::Type::kLeastAllocated;

  auto resources = ReadResourceWeights(*reader, "resources", /*most=*/100, context);
  if (!resources.ok()) return resources.status();
  strategy.resources = *std::move(resources);

  const PluginArgs* ratio = reader->Find("requestedToCapacityRatio");
  const std::string ratio_path = reader->Path("requestedToCapacityRatio");
  const bool wanted = strategy.type == ScoringStrategy::Type::kRequestedToCapacityRatio;
  if (ratio != nullptr && !wanted) {
    return WrongArgument(ratio_path, std::string("only goes with type ") + kRatio);
  }
  if (wanted && ratio == nullptr) {
    return WrongArgument(ratio_path,
                         std::string("is missing; type ") + kRatio + " needs its shape");
  }
  if (wanted) {
    auto shape = ReadShape(*ratio, ratio_path);
    if (!shape.ok()) return shape.status();
    strategy.shape = *std::move(shape);
  }
  return strategy;
}

}  // namespace berth::plugins
