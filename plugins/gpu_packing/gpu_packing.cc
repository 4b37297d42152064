#include "gpu_packing/gpu_packing.h"

#include <algorithm>

#include "berth/device_score.h"
#include "common/free_devices.h"
#include "common/policy_args.h"

namespace berth::plugins {
namespace {

class GpuPacking final : public DeviceScorePlugin {
 public:
  explicit GpuPacking(KindId kind) : kind_(kind) {}

  std::string_view name() const override { return kGpuPacking; }
  Reads reads() const override { return kReadsDevices; }
  bool Skips(const TaskRequirements& needs) const override {
    return NeedOf(kind_, needs) == nullptr;
  }

  absl::Status ScoreSets(const TaskView&, const NodeColumns& columns, Slot slot,
                         const DeviceNeed& need, const DeviceSets& sets,
                         std::span<int32_t> scores) const override {
    if (need.kind != kind_) {
      std::fill(scores.begin(), scores.end(), 0);
      return absl::OkStatus();
    }
    const std::span<const DeviceRow> devices = columns.devices(slot);
    const FreeDevices node = CountFree(kind_, devices);
    for (size_t set = 0; set < sets.size(); ++set) {
      scores[set] = ScoreOfPercent(Points(node, devices, sets[set]));
    }
    return absl::OkStatus();
  }

 private:
  static int32_t Points(const FreeDevices& node, std::span<const DeviceRow> devices,
                        std::span<const uint16_t> set) {
    if (node.untouched == node.devices) {
      return std::min(100, std::max(33 - node.devices, node.devices));
    }
    int32_t untouched = 0, left_milli = 0;
    for (const uint16_t position : set) {
      untouched += devices[position].allocated_milli == 0;
      left_milli += 1000 - devices[position].allocated_milli;
    }
    return untouched > 0 ? std::max(50 - untouched, 33) : std::max(100 - left_milli / 100, 50);
  }

  const KindId kind_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeGpuPacking(const PluginArgs& args,
                                                       PluginContext& context) {
  const auto reader = ArgsReader::Open(args, "", {"kind"});
  if (!reader.ok()) return reader.status();
  const auto kind = ReadDeviceKind(*reader, context);
  if (!kind.ok()) return kind.status();
  return std::make_unique<GpuPacking>(*kind);
}

}  // namespace berth::plugins
