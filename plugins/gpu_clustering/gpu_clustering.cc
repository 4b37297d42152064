#include "gpu_clustering/gpu_clustering.h"

#include <algorithm>

#include "berth/score.h"
#include "common/free_devices.h"
#include "common/policy_args.h"

namespace berth::plugins {
namespace {

class GpuClustering final : public ScorePlugin {
 public:
  explicit GpuClustering(KindId kind) : kind_(kind) {}

  std::string_view name() const override { return kGpuClustering; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsDevices; }
  bool Skips(const TaskRequirements& needs) const override {
    return NeedOf(kind_, needs) == nullptr;
  }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const DeviceNeed* need = NeedOf(kind_, task.needs);
    if (need == nullptr) {
      std::fill(scores.begin(), scores.end(), 0);
      return absl::OkStatus();
    }
    const int32_t sort = need->share_milli < 1000 ? 0 : need->count;
    slots.ForEach([&](size_t i, Slot slot) {
      const int64_t free = CountFree(kind_, columns.devices(slot)).free_milli;
      const auto in_use = static_cast<int32_t>(25 * std::max<int64_t>(0, kMost - free) / kMost);
      scores[i] = ScoreOfPercent(in_use + Company(sort, columns.device_uses(slot)));
    });
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kMost = 8000;

  int32_t Company(int32_t sort, std::span<const DeviceUse> uses) const {
    bool same = false, others = false;
    for (const DeviceUse& use : uses) {
      if (use.kind != kind_) continue;
      (use.devices == sort ? same : others) = true;
    }
    if (same) return others ? 50 : 75;
    return others ? 0 : 25;
  }

  const KindId kind_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeGpuClustering(const PluginArgs& args,
                                                          PluginContext& context) {
  const auto reader = ArgsReader::Open(args, "", {"kind"});
  if (!reader.ok()) return reader.status();
  const auto kind = ReadDeviceKind(*reader, context);
  if (!kind.ok()) return kind.status();
  return std::make_unique<GpuClustering>(*kind);
}

}  // namespace berth::plugins
