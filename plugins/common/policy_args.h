// Arguments that the policies of published evaluations have in common.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "berth/plugin_registry.h"
#include "berth/resources.h"
#include "common/args_reader.h"

namespace berth::plugins {

// `kind: gpu`: the devices that the policy is about.
absl::StatusOr<KindId> ReadDeviceKind(const ArgsReader& args, PluginContext& context);

// `resolution`: how finely nodes are told apart.
enum class Resolution : uint8_t {
  kFull,     // "full", the default: by all that the formula says
  kPercent,  // "percent": by whole per cents of it, as published; what is between them is a tie
};
absl::StatusOr<Resolution> ReadResolution(const ArgsReader& args);

// A score of whole per cents, 0 to 100.
constexpr int32_t ScoreOfPercent(int32_t percent) {
  return static_cast<int32_t>(int64_t{kMaxScore} * percent / 100);
}

// kMaxScore x part / whole, with the part brought into [0, whole]; of whole per cents, if so asked.
// REQUIRES: 0 < whole <= 2^42.
constexpr int32_t ScoreOfPart(int64_t part, int64_t whole, Resolution resolution) {
  const int64_t clamped = part < 0 ? 0 : part > whole ? whole : part;
  if (resolution == Resolution::kPercent) {
    return ScoreOfPercent(static_cast<int32_t>(100 * clamped / whole));
  }
  return static_cast<int32_t>(kMaxScore * clamped / whole);
}

// `largestNode: {cpu: 128, devices: 8}`: what free amounts are measured by. More than that counts
// as that much.
struct LargestNode {
  int64_t cpu_milli = 128'000;
  int64_t device_milli = 8000;
};

// All of them, of a policy that measures nodes by free amounts; no others are accepted.
struct FreeAmountArgs {
  KindId kind;
  LargestNode largest;
  Resolution resolution = Resolution::kFull;
};
absl::StatusOr<FreeAmountArgs> ReadFreeAmountArgs(const PluginArgs& args, PluginContext& context);

}  // namespace berth::plugins
