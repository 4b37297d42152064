#include "fragmentation_gradient/fragmentation_gradient.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "berth/device_score.h"
#include "berth/score.h"
#include "common/free_devices.h"
#include "common/policy_args.h"
#include "fragmentation_gradient/fragmentation.h"

namespace berth::plugins {
namespace {

struct DefaultClass {
  int32_t cpu_milli, devices, share_milli, weight;
};
// In thousandths of all tasks.
constexpr DefaultClass kDefaultMix[] = {
    {0, 0, 1000, 135},       //
    {4000, 1, 230, 30},      //
    {4000, 1, 320, 40},      //
    {8000, 1, 470, 60},      //
    {12'000, 1, 470, 60},    //
    {12'000, 1, 650, 30},    //
    {4000, 1, 810, 130},     //
    {4000, 1, 1000, 75},     //
    {8000, 1, 1000, 25},     //
    {12'000, 1, 1000, 265},  //
    {16'000, 1, 1000, 60},   //
    {24'000, 1, 1000, 40},   //
    {24'000, 2, 1000, 20},   //
    {48'000, 4, 1000, 10},   //
    {88'000, 8, 1000, 20},   //
};

// 1 / (1 + e^-x), by additions, multiplications and divisions alone, which every machine rounds
// alike; the standard library's exponential may differ from one version to the next.
constexpr double Sigmoid(double x) {
  const double y = -x / 256;
  double power = 1;
  for (int i = 8; i > 0; --i) power = 1 + power * y / i;
  for (int i = 0; i < 8; ++i) power *= power;
  return 1 / (1 + power);
}

// The same as scores, straight between points; off by at most 3 of kMaxScore.
class SigmoidTable {
 public:
  static constexpr int kMost = 16;    // devices; beyond it the score is that of kMost
  static constexpr int kPoints = 64;  // for each device

  constexpr SigmoidTable() {
    for (int i = 0; i < kSize; ++i) {
      scores_[static_cast<size_t>(i)] =
          kMaxScore * Sigmoid(static_cast<double>(i) / kPoints - kMost);
    }
  }
  // `points`: x times kPoints.
  double At(double points) const {
    const double place = std::clamp(points + kMost * kPoints, 0.0, kSize - 1.0);
    const auto below = std::min(static_cast<size_t>(place), size_t{kSize - 2});
    const double low = scores_[below];
    return low + (scores_[below + 1] - low) * (place - static_cast<double>(below));
  }

 private:
  static constexpr int kSize = 2 * kMost * kPoints + 1;
  std::array<double, kSize> scores_{};
};
constexpr SigmoidTable kSigmoid;

class FragmentationGradient final : public ScorePlugin, public DeviceScorePlugin {
 public:
  FragmentationGradient(Fragmentation fragmentation, bool scores_cpu_tasks, Resolution resolution)
      : fragmentation_(std::move(fragmentation)),
        points_(SigmoidTable::kPoints /
                (1000.0 * static_cast<double>(fragmentation_.total_weight()))),
        scores_cpu_tasks_(scores_cpu_tasks),
        resolution_(resolution) {}

  std::string_view name() const override { return kFragmentationGradient; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsStatic | kReadsAllocation | kReadsDevices; }
  bool Skips(const TaskRequirements& needs) const override {
    return needs.devices.empty() ? !scores_cpu_tasks_
                                 : NeedOf(fragmentation_.kind(), needs) == nullptr;
  }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    if (Skips(task.needs)) {
      std::fill(scores.begin(), scores.end(), 0);
      return absl::OkStatus();
    }
    const int32_t unchanged = ScoreOf(0);
    const NodeMask& with_devices = columns.with_device_kind(fragmentation_.kind());
    slots.ForEach([&](size_t i, Slot slot) {
      scores[i] = unchanged;
      if (!with_devices.Test(slot)) return;
      scores[i] =
          ScoreOf(NodeAt(columns, slot)
                      .Change(task.needs.requests[kCpu], task.needs.requests[kMemory], {}, 0));
    });
    return absl::OkStatus();
  }

  absl::Status ScoreSets(const TaskView& task, const NodeColumns& columns, Slot slot,
                         const DeviceNeed& need, const DeviceSets& sets,
                         std::span<int32_t> scores) const override {
    if (need.kind != fragmentation_.kind()) {
      std::fill(scores.begin(), scores.end(), 0);
      return absl::OkStatus();
    }
    const Fragmentation::Node node = NodeAt(columns, slot);
    for (size_t set = 0; set < sets.size(); ++set) {
      scores[set] = ScoreOf(node.Change(task.needs.requests[kCpu], task.needs.requests[kMemory],
                                        sets[set], need.share_milli));
    }
    return absl::OkStatus();
  }

 private:
  Fragmentation::Node NodeAt(const NodeColumns& columns, Slot slot) const {
    const auto free = [&](ResourceIndex resource) {
      return columns.capacity(resource)[slot] - columns.allocated(resource)[slot];
    };
    return Fragmentation::Node(fragmentation_, columns.devices(slot), free(kCpu), free(kMemory));
  }

  // `change`: as Fragmentation::Node says it.
  int32_t ScoreOf(int64_t change) const {
    const double score = kSigmoid.At(static_cast<double>(change) * points_);
    if (resolution_ == Resolution::kPercent) {
      return ScoreOfPercent(static_cast<int32_t>(100 * score / kMaxScore));
    }
    return static_cast<int32_t>(score);
  }

  const Fragmentation fragmentation_;
  const double points_;  // of the table, for each unit of change
  const bool scores_cpu_tasks_;
  const Resolution resolution_;
};

static_assert(kMostMixedTasks <= Fragmentation::kMostClasses);

absl::StatusOr<TaskClass> ReadClass(const PluginArgs& item, const std::string& path,
                                    PluginContext& context) {
  const auto reader = ArgsReader::Open(
      item, path, {"devices", "shareMilli", "cpuMilli", "memoryMib", "models", "weight"});
  if (!reader.ok()) return reader.status();
  TaskClass task;
  const auto read = [&](const char* name, int64_t least, int64_t most, auto& value) {
    const auto number = reader->IntegerOr(name, least, most, value);
    if (number.ok()) value = static_cast<std::decay_t<decltype(value)>>(*number);
    return number.status();
  };
  for (const absl::Status& status :
       {read("devices", 0, 256, task.devices), read("shareMilli", 1, 1000, task.share_milli),
        read("cpuMilli", 0, kMaxQuanta, task.cpu_milli),
        read("memoryMib", 0, kMaxQuanta, task.memory_mib),
        read("weight", 1, 1'000'000, task.weight)}) {
    if (!status.ok()) return status;
  }
  if (task.devices != 1 && task.share_milli < 1000) {
    return WrongArgument(reader->Path("shareMilli"), "only one device can be shared; devices is " +
                                                         std::to_string(task.devices));
  }
  const auto models = reader->List("models", 64);
  if (!models.ok()) return models.status();
  for (size_t i = 0; *models != nullptr && i < (*models)->size(); ++i) {
    const std::string* name = (**models)[i].as_string();
    if (name == nullptr || name->empty()) {
      return WrongArgument(reader->Path("models") + "[" + std::to_string(i) + "]",
                           "must be a name, is " + Describe((**models)[i]));
    }
    task.models.push_back(context.DeviceModel(*name));
  }
  std::sort(task.models.begin(), task.models.end());
  return task;
}

absl::StatusOr<std::vector<TaskClass>> ReadMix(const ArgsReader& args, KindId kind,
                                               PluginContext& context) {
  const auto list = args.List("mix", Fragmentation::kMostClasses);
  if (!list.ok()) return list.status();
  std::vector<TaskClass> mix;
  if (*list == nullptr) {
    for (const MixedTask& task : context.TaskMix(kind)) {
      mix.push_back({.cpu_milli = task.cpu_milli,
                     .devices = task.devices,
                     .share_milli = task.share_milli,
                     .models = {},
                     .weight = task.weight});
    }
    if (!mix.empty()) return mix;
    for (const DefaultClass& task : kDefaultMix) {
      mix.push_back({.cpu_milli = task.cpu_milli,
                     .devices = task.devices,
                     .share_milli = task.share_milli,
                     .models = {},
                     .weight = task.weight});
    }
    return mix;
  }
  for (const PluginArgs& item : **list) {
    const auto task =
        ReadClass(item, args.Path("mix") + "[" + std::to_string(mix.size()) + "]", context);
    if (!task.ok()) return task.status();
    mix.push_back(*task);
  }
  return mix;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeFragmentationGradient(const PluginArgs& args,
                                                                  PluginContext& context) {
  const auto reader = ArgsReader::Open(args, "", {"kind", "cpuTasks", "resolution", "mix"});
  if (!reader.ok()) return reader.status();
  const auto kind = ReadDeviceKind(*reader, context);
  if (!kind.ok()) return kind.status();
  const auto cpu_tasks = reader->FlagOr("cpuTasks", false);
  if (!cpu_tasks.ok()) return cpu_tasks.status();
  const auto resolution = ReadResolution(*reader);
  if (!resolution.ok()) return resolution.status();
  const auto mix = ReadMix(*reader, *kind, context);
  if (!mix.ok()) return mix.status();
  return std::make_unique<FragmentationGradient>(Fragmentation(*kind, *mix), *cpu_tasks,
                                                 *resolution);
}

}  // namespace berth::plugins
