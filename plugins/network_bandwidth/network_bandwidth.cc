#include "network_bandwidth/network_bandwidth.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "berth/score.h"
#include "common/args_reader.h"
#include "common/near_rules.h"

namespace berth::plugins {
namespace {

constexpr int64_t kLeastMbit = 100;  // quanta: Mbit/s
constexpr int64_t kDoublings = 10;

int32_t ScoreOfFree(int32_t free) {
  if (free <= kLeastMbit) return 0;
  const auto power =
      static_cast<int64_t>(std::bit_width(static_cast<uint64_t>(free / kLeastMbit))) - 1;
  if (power >= kDoublings) return static_cast<int32_t>(kMaxScore);
  const int64_t below = kLeastMbit << power;
  return static_cast<int32_t>((power * below + (free - below)) * kMaxScore / (kDoublings * below));
}

class NetworkBandwidth final : public ScorePlugin {
 public:
  std::string_view name() const override { return kNetworkBandwidth; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation; }

  bool Skips(const TaskRequirements& needs) const override { return !HasNearRule(needs); }
  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    if (!HasNearRule(task.needs)) {
      std::fill(scores.begin(), scores.end(), 0);
      return absl::OkStatus();
    }
    const std::span<const int32_t> capacity = columns.capacity(kBandwidth);
    const std::span<const int32_t> allocated = columns.allocated(kBandwidth);
    slots.ForEach([&](size_t i, Slot slot) {
      scores[i] = ScoreOfFree(std::max(0, capacity[slot] - allocated[slot]));
    });
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeNetworkBandwidth(const PluginArgs& args,
                                                             PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<NetworkBandwidth>();
}

}  // namespace berth::plugins
