#include "random/random.h"

#include <algorithm>

#include "berth/device_score.h"
#include "berth/score.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

// The high bits of a score are the node's, the low ones tell its sets apart.
constexpr int kSetBits = 7;
constexpr int kNodeBits = 13;
static_assert(1 << (kNodeBits + kSetBits) == kMaxScore);

// splitmix64's finaliser, once for the hash so far and once with the word.
constexpr uint64_t MixIn(uint64_t hash, uint64_t word) {
  const auto mix = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  return mix(mix(hash + 0x9e3779b97f4a7c15u) ^ word);
}

class Random final : public ScorePlugin, public DeviceScorePlugin {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}

  std::string_view name() const override { return kRandom; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsAllocation | kReadsDevices; }
  bool Skips(const TaskRequirements&) const override { return false; }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    const uint64_t of_task = HashOf(task.needs);
    slots.ForEach([&](size_t i, Slot slot) {
      scores[i] = static_cast<int32_t>(HashOf(of_task, columns, slot) >> 44);
    });
    return absl::OkStatus();
  }

  // A set has the largest number of all that look like it, so that none loses by standing for
  // several.
  absl::Status ScoreSets(const TaskView& task, const NodeColumns& columns, Slot slot,
                         const DeviceNeed&, const DeviceSets& sets,
                         std::span<int32_t> scores) const override {
    const uint64_t of_node = HashOf(HashOf(task.needs), columns, slot);
    const auto high = static_cast<int32_t>(of_node >> (64 - kNodeBits)) << kSetBits;
    uint64_t drawn = 0;
    for (size_t set = 0; set < sets.size(); ++set) {
      uint64_t largest = 0;
      for (int32_t i = 0; i < sets.alike(set); ++i) {
        largest = std::max(largest, MixIn(of_node, ++drawn) >> (64 - kSetBits));
      }
      scores[set] = high | static_cast<int32_t>(largest);
    }
    return absl::OkStatus();
  }

 private:
  // Of amounts alone: the numbers of names may differ from one start to the next.
  uint64_t HashOf(const TaskRequirements& needs) const {
    uint64_t hash = MixIn(0, seed_);
    for (uint32_t i = 0; i < kFirstExtended; ++i) {
      hash = MixIn(hash, static_cast<uint64_t>(needs.requests[i]));
    }
    for (const DeviceNeed& need : needs.devices) {
      hash = MixIn(
          hash, static_cast<uint64_t>(need.count) << 32 | static_cast<uint64_t>(need.share_milli));
      hash = MixIn(hash, static_cast<uint64_t>(need.memory_mib));
    }
    return hash;
  }

  static uint64_t HashOf(uint64_t of_task, const NodeColumns& columns, Slot slot) {
    uint64_t hash = MixIn(of_task, slot);
    for (const ResourceIndex resource : {kCpu, kMemory}) {
      hash = MixIn(hash, static_cast<uint64_t>(columns.allocated(resource)[slot]));
    }
    int64_t device_milli = 0;
    for (const DeviceRow& device : columns.devices(slot)) device_milli += device.allocated_milli;
    return MixIn(hash, static_cast<uint64_t>(device_milli));
  }

  const uint64_t seed_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeRandom(const PluginArgs& args, PluginContext& context) {
  (void)context;
  const auto reader = ArgsReader::Open(args, "", {"seed"});
  if (!reader.ok()) return reader.status();
  const auto seed = reader->IntegerOr("seed", 0, int64_t{1} << 62, 0);
  if (!seed.ok()) return seed.status();
  return std::make_unique<Random>(static_cast<uint64_t>(*seed));
}

}  // namespace berth::plugins
